/** Prints one line a test file and all about each failure, and writes "passed failed skipped" to $ATOLL_TEST_COUNTS. With $ATOLL_TEST_AGAIN, files with failures are named there and not counted. */
import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const total: Outcome = { passed: 0, failed: 0, skipped: 0 };
  const files = new Map<string, Outcome>();
  for await (const event of events) {
    if (event.type === "test:pass" || event.type === "test:fail") {
      const outcome = outcomeOf(event);
      if (!outcome) continue;
      const file = relative(process.cwd(), event.data.file ?? "?");
      const ofFile = files.get(file) ?? { passed: 0, failed: 0, skipped: 0 };
      files.set(file, ofFile);
      ofFile[outcome] += 1;
      total[outcome] += 1;
      if (event.type === "test:fail" && outcome === "failed") yield failure(file, event.data);
      if (outcome === "skipped")
        yield `skipped ${file}: ${event.data.name} (${event.data.skip || "no reason given"})\n`;
    } else if (event.type === "test:stderr") yield event.data.message;
    else if (event.type === "test:summary" && event.data.file !== undefined) yield fileLine(event.data, files);
  }
  const { ATOLL_TEST_COUNTS: counts, ATOLL_TEST_AGAIN: again } = process.env;
  const failed = [...files].filter(([, outcome]) => outcome.failed > 0);
  if (again) {
    // These files run once more, alone, and are counted then. A suite that support/ defines fails along with tests of theirs.
    const files = failed.map(([file]) => file).filter((file) => file.endsWith(".test.ts"));
    writeFileSync(again, files.map((file) => `${file}\n`).join(""));
    for (const [, outcome] of failed)
      for (const key of ["passed", "failed", "skipped"] as const) total[key] -= outcome[key];
  }
  if (counts) writeFileSync(counts, `${total.passed} ${total.failed} ${total.skipped}\n`);
}

type Finished = Extract<TestEvent, { type: "test:pass" | "test:fail" }>;

/** A suite counts only when it failed by itself, as in a hook, and not because of a test in it that is counted anyway. */
function outcomeOf({ type, data }: Finished): keyof Outcome | undefined {
  const isSuite = data.details.type === "suite";
  if (type === "test:fail" && data.todo === undefined) {
    const { error } = data.details as { error: { failureType?: string } };
    return error.failureType === "subtestsFailed" ? undefined : "failed";
  }
  if (isSuite) return undefined;
  return data.skip !== undefined || data.todo !== undefined ? "skipped" : "passed";
}

function failure(file: string, data: Extract<TestEvent, { type: "test:fail" }>["data"]): string {
  const { cause } = data.details.error as { cause?: unknown };
  const detail = inspect(cause ?? data.details.error, { depth: 6 }).replaceAll(/^/gm, "    ");
  return `FAILED  ${file}:${data.line ?? 0}: ${data.name}\n${detail}\n`;
}

function fileLine(
  data: Extract<TestEvent, { type: "test:summary" }>["data"],
  files: ReadonlyMap<string, Outcome>,
): string {
  const file = relative(process.cwd(), data.file ?? "?");
  const { passed, failed, skipped } = files.get(file) ?? { passed: 0, failed: 0, skipped: 0 };
  const word = failed > 0 || !data.success ? "FAILED " : "ok     ";
  const seconds = (data.duration_ms / 1000).toFixed(1);
  const counts = [
    `${passed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  return `${word} ${file}: ${counts.join(", ")} in ${seconds} s\n`;
}
