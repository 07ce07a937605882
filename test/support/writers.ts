/** A program that never stops writing, and whether what is seen of its files is what they were at one instant. */
import assert from "node:assert/strict";
import type { Process, Sandbox } from "@atoll/sdk";
import { shell } from "./isolation.ts";

const program = `
import os, time
files = [os.open("/" + name, os.O_RDWR | os.O_CREAT) for name in ("first", "second")]
os.mkdir("/made")
number = 0
while True:
    number += 1
    for file in files: os.pwrite(file, b"%020d\\n" % number, 0)
    for name in ("first", "second"): open(f"/made/{name}{number}", "w").close()
    if number == 20: print("ready", flush=True)
    time.sleep(0.002)`;

/** Counts in two files in turns, and makes files in turns: what comes second is never ahead, and behind by one at most. */
export async function writing(sandbox: Sandbox): Promise<Process> {
  const writer = await sandbox.exec(["python3", "-c", program], { timeoutMs: 280_000 });
  for await (const line of writer.stdout) if (line === "ready") return writer;
  throw new Error(`the writer has ended: ${await writer.stderr.text()}`);
}

/** @param copy has its files */
export async function assertOneInstant(copy: Sandbox): Promise<void> {
  const look = "cat /first /second; for name in first second; do ls /made | grep -c $name; done";
  const { stdout, stderr } = await shell(copy, look);
  const [counted = 0, countedThen = 0, made = 0, madeThen = 0] = stdout.trim().split("\n").map(Number);
  for (const [ahead, behind] of [
    [counted, countedThen],
    [made, madeThen],
    [counted, made],
  ] as const)
    assert.ok(behind >= 19 && ahead - behind >= 0 && ahead - behind <= 1, `${stdout} ${stderr}`);
}
