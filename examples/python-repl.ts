// An interactive Python with numpy and pandas, in a terminal so that it behaves as it does for a person.
import { App, Image, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
const image = Image.debianSlim().aptInstall("make").pipInstall("numpy", "pandas", "pytest");

for (const isolation of ["gvisor", "container"] as const) {
  await using sandbox = await Sandbox.create("python3", { app, image, isolation, pty: true });

  sandbox.stdin.write("import numpy as np, pandas as pd\n");
  sandbox.stdin.write("print('the answer is', np.arange(4).sum() * 7)\n");
  sandbox.stdin.write("print(pd.DataFrame({'a': [1, 2]})['a'].mean())\n");
  sandbox.stdin.write("exit()\n");
  await sandbox.stdin.drain();

  console.log(await sandbox.stdout.read());
  console.log(isolation, "exit code:", (await sandbox.wait()).returncode);
}
