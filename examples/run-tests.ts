// A project's tests: written into the sandbox over stdin, run, and their output read.
import { App, Sandbox } from "@atoll/sdk";

const tests = `
import unittest

class TestSum(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(sum([1, 2, 3]), 6)

    def test_wrong(self):
        self.assertEqual(1 + 1, 3)
`;

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create({ app, workdir: "/tmp", timeoutMs: 600_000 });

const write = await sandbox.exec("sh", "-c", "cat > test_sum.py");
write.stdin.write(tests);
write.stdin.writeEof();
await write.stdin.drain();
await write.wait();

const run = await sandbox.exec("python3", "-m", "unittest", "-v");
const { returncode } = await run.wait();
console.log("Test output:", await run.stderr.read());
console.log("Exit code:", returncode);
