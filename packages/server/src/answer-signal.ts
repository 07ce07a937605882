import type { ServerResponse } from "node:http";

/** Aborted when a connection ends before its answer does, or the server stops. */
export function answerSignal(response: ServerResponse, stopping: AbortSignal): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort(new Error("the client went away"));
  });
  return AbortSignal.any([gone.signal, stopping]);
}
