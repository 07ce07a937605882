/** Set-up could not go on. `message` begins with "cannot"; `hint` says what to do by hand. */
export class SetupError extends Error {
  override readonly name = "SetupError";
  readonly hint: string;

  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}
