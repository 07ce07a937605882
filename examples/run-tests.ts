// A project's tests: put into a volume, run with pytest on a read-only mount of it.
import { App, Image, Sandbox, Volume } from "@atoll/sdk";

const tests = `
def test_sum():
    assert sum([1, 2, 3]) == 6

def test_wrong():
    assert 1 + 1 == 3
`;

const app = await App.lookup("my-app", { createIfMissing: true });
const image = Image.debianSlim().aptInstall("make").pipInstall("numpy", "pandas", "pytest");
await using project = await Volume.ephemeral();
await project.batch({ "tests/test_sum.py": tests });

for (const isolation of ["gvisor", "container"] as const) {
  const sandbox = await Sandbox.create("python3", "-m", "pytest", "-v", "-p", "no:cacheprovider", {
    app,
    isolation,
    image,
    workdir: "/project/tests",
    volumes: { "/project": project.readOnly() },
    timeoutMs: 600_000,
  });
  const { returncode } = await sandbox.wait();
  console.log(isolation, "test output:", await sandbox.stdout.read());
  console.log(isolation, "exit code:", returncode);
}
