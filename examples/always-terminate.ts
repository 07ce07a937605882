// Whatever happens, the sandbox ends: with try and finally, or with `await using`.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });

const first = await Sandbox.create({ app });
try {
  const process = await first.exec("echo", "work");
  console.log(await process.stdout.read());
} finally {
  await first.terminate();
}
console.log("first:", (await first.wait({ raiseOnTermination: false })).kind);

let second: Sandbox | undefined;
try {
  await using sandbox = await Sandbox.create({ app });
  second = sandbox;
  throw new Error("the work failed");
} catch (error) {
  console.log("caught:", error instanceof Error && error.message);
}
console.log("second:", (await second?.wait({ raiseOnTermination: false }))?.kind);
