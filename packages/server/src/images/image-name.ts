/** NAME and NAME:latest are the same name. Pure. */
export function fullName(name: string): string {
  return name.lastIndexOf(":") > name.lastIndexOf("/") ? name : `${name}:latest`;
}
