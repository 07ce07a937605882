import type { Server } from "node:net";

/** The program of an earlier daemon ends together with it, and may still be about to. */
const patienceMs = 10_000;
const pauseMs = 50;

/** Listens in the gateway's network namespace, where sandboxes are let to these ports by their policy alone. */
export async function listening(server: Server, port: number): Promise<void> {
  await untilFree(
    () =>
      new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: "0.0.0.0", port, backlog: 1024 }, () => {
          server.off("error", reject);
          server.on("error", () => undefined); // a connection that could not be taken is one that is not there
          resolve();
        });
      }),
  );
}

export async function untilFree<T>(bind: () => Promise<T>): Promise<T> {
  for (const until = Date.now() + patienceMs; ; await new Promise((resolve) => setTimeout(resolve, pauseMs))) {
    try {
      return await bind();
    } catch (error) {
      const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
      if (!isTaken || Date.now() >= until) throw error;
    }
  }
}
