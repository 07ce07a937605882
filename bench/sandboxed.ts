/** The clock around what the SDK does: what controls.ts measures of bare programs. */
import { type Isolation, Sandbox } from "@atoll/sdk";

const leastBytes = 64 * 1024 ** 2;

/** Milliseconds from the call to the first byte of the new sandbox's command. The sandbox is waited for. */
export async function createToFirstByte(
  argv: readonly string[],
  isolation: Isolation,
  image?: string,
): Promise<number> {
  const began = performance.now();
  const sandbox = await Sandbox.create([...argv], { isolation, ...(image !== undefined && { image }) });
  const elapsed = await firstByteOf(sandbox.stdout.toReadableStream(), began);
  await sandbox.wait();
  return elapsed;
}

/** Milliseconds from the call to the first byte of the new process, which is waited for. */
export async function execToFirstByte(sandbox: Sandbox, argv: readonly string[]): Promise<number> {
  const began = performance.now();
  const process = await sandbox.exec([...argv]);
  const elapsed = await firstByteOf(process.stdout.toReadableStream(), began);
  await process.wait();
  return elapsed;
}

/** Megabytes a second that arrive of a program's stdout, from the call to the last byte. */
export async function stdoutThroughput(sandbox: Sandbox, argv: readonly string[]): Promise<number> {
  const began = performance.now();
  const process = await sandbox.exec([...argv]);
  let bytes = 0;
  for await (const chunk of process.stdout.toReadableStream()) bytes += chunk.length;
  const elapsed = performance.now() - began;
  await process.wait();
  if (bytes < leastBytes) throw new Error(`cannot measure: only ${bytes} bytes arrived`);
  return bytes / 1000 / elapsed;
}

async function firstByteOf(stream: ReadableStream<Uint8Array>, began: number): Promise<number> {
  const reader = stream.getReader();
  const { done } = await reader.read();
  const elapsed = performance.now() - began;
  if (done) throw new Error("cannot measure: the program wrote nothing");
  while (!(await reader.read()).done);
  return elapsed;
}
