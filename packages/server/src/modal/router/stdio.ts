import { AtollError } from "../../error.ts";
import { checkTask } from "../client/access.ts";
import type { Core, TaskCall } from "../core.ts";
import {
  SandboxStdinWriteV2RequestSchema,
  SandboxStdinWriteV2ResponseSchema,
  SandboxStdioReadV2RequestSchema,
  SandboxStdioReadV2ResponseSchema,
  SandboxWaitUntilReadyTcrRequestSchema,
  SandboxWaitUntilReadyTcrResponseSchema,
} from "../generated/router_pb.ts";
import { type Rpcs, serverStream, unary } from "../grpc/rpc.ts";
import { StatusError } from "../grpc/status.ts";
import { writeAt } from "./exec.ts";

const main = "main";
const stderr = 1;
const mostReadyMs = 600_000;

/** What the second family does with a sandbox's own command, and its readiness. */
export function routerStdioRpcs(core: Core): Rpcs<TaskCall> {
  const { processes, sandboxes } = core;
  return {
    SandboxStdioReadV2: serverStream(
      SandboxStdioReadV2RequestSchema,
      SandboxStdioReadV2ResponseSchema,
      async function* (request, call: TaskCall) {
        const sandboxId = checkTask(request.taskId, call.sandboxId);
        const log = processes.output(sandboxId, main, request.fileDescriptor === stderr ? "stderr" : "stdout");
        let at = Number(request.offset);
        for await (const data of log.read(at, true, call.signal)) {
          if (data.length > 0) yield { data, startingOffset: BigInt(at) };
          at += data.length;
        }
      },
    ),
    SandboxStdinWriteV2: unary(
      SandboxStdinWriteV2RequestSchema,
      SandboxStdinWriteV2ResponseSchema,
      async (request, call: TaskCall) => {
        await writeAt(processes, checkTask(request.taskId, call.sandboxId), main, request, call);
        return {};
      },
    ),
    SandboxWaitUntilReady: unary(
      SandboxWaitUntilReadyTcrRequestSchema,
      SandboxWaitUntilReadyTcrResponseSchema,
      async ({ taskId, timeout }, call: TaskCall) => {
        const sandboxId = checkTask(taskId, call.sandboxId);
        if (!sandboxes.row(sandboxId).spec.readinessProbe) {
          throw new StatusError("failedPrecondition", "cannot wait: the sandbox has no readiness probe");
        }
        const sandbox = await sandboxes.waitReady(sandboxId, Math.min(timeout * 1000, mostReadyMs), call.signal);
        if (sandbox.readyAt !== undefined) return { readyAt: Date.parse(sandbox.readyAt) / 1000 };
        if (sandbox.result) throw new AtollError("sandbox_finished", `cannot wait: ${sandboxId} has ended`);
        throw new StatusError("deadlineExceeded", `cannot wait longer: the sandbox is not ready after ${timeout} s`);
      },
    ),
  };
}
