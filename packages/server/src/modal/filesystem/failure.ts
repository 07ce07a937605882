import type { ErrorCode } from "@atoll/protocol";
import type { AtollError } from "../../error.ts";
import type { CommandName } from "./command.ts";

const kinds: Readonly<Partial<Record<ErrorCode, string>>> = {
  file_not_found: "NotFound",
  is_a_directory: "IsDirectory",
  not_a_directory: "NotDirectory",
  file_exists: "PathAlreadyExists",
  permission_denied: "PermissionDenied",
  not_empty: "DirectoryNotEmpty",
  payload_too_large: "FileTooLarge",
};

/** Pure: what is said on stderr. The clients choose a class by the kind, and put the path behind the message of those they know. */
export function failureText({ code, message }: AtollError, name: CommandName | undefined): string {
  const kind = kinds[code];
  const isInTheWay = name === "WriteFile" && code === "file_exists";
  return JSON.stringify({
    version: 1,
    error_kind: isInTheWay ? "AlreadyExists" : (kind ?? "Other"),
    message: kind === undefined ? message : message.slice(message.lastIndexOf(": ") + 1).trimStart(),
    detail: message,
  });
}
