import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { useServer } from "../support/server.ts";
import { atTerminal, idleSandbox, succeed } from "./atoll.ts";

useServer();

/** Settings of the terminal before and after, so that one left in raw mode is seen. */
const keepsTerminal = (command: string) =>
  `before=$(stty -g); ${command}; code=$?; test "$before" = "$(stty -g)" && echo "terminal kept, exit $code"`;

describe("atoll shell at a terminal", () => {
  test("keys go in, output comes out, and the exit code and the terminal come back", async (t) => {
    const id = await idleSandbox(t);
    const terminal = atTerminal(t, keepsTerminal(`"$ATOLL" shell ${id}`));
    await terminal.seen(/[#$] /);
    terminal.type("echo mark-$((40+2)); tty\r");
    await terminal.seen(/mark-42\r+\n\/dev\/pts\//);
    terminal.type("exit 6\r");
    const { stdout } = await terminal.finished;
    assert.match(stdout, /terminal kept, exit 6/);
  });

  test("Ctrl-C interrupts what runs inside and not the shell, and Ctrl-D ends the shell", async (t) => {
    const id = await idleSandbox(t);
    const terminal = atTerminal(t, keepsTerminal(`"$ATOLL" shell ${id} -- sh`));
    await terminal.seen(/# /);
    terminal.type("echo begin-$((1+1)); sleep 60\r");
    await terminal.seen(/begin-2/);
    terminal.type("\x03");
    await terminal.seen(/begin-2[\s\S]*# /);
    // gVisor leaves the key itself in the line that follows.
    terminal.type("\r");
    terminal.type("echo after-$((2+2))\r");
    await terminal.seen(/after-4/);
    terminal.type("\x04");
    assert.match((await terminal.finished).stdout, /terminal kept, exit \d+/);
  });

  test("the size inside follows the size outside", async (t) => {
    const id = await idleSandbox(t);
    const resizeLater = "(sleep 3; stty rows 33 cols 111 </dev/tty) &";
    const terminal = atTerminal(t, `stty rows 22 cols 99; ${resizeLater} "$ATOLL" shell ${id} -- sh`);
    await terminal.seen(/# /);
    terminal.type("stty size\r");
    await terminal.seen(/22 99/);
    terminal.type("trap 'echo resized' WINCH; while test \"$(stty size)\" = '22 99'; do sleep 0.1; done; stty size\r");
    await terminal.seen(/33 111/);
    terminal.type("exit\r");
    await terminal.finished;
  });

  test("without a sandbox a new one is made, and terminated at the end", async (t) => {
    const name = `shell-${randomBytes(6).toString("hex")}`;
    const terminal = atTerminal(t, keepsTerminal(`"$ATOLL" shell --name ${name} -- sh`));
    await terminal.seen(/# /);
    assert.equal(await succeed("poll", name), "running");
    terminal.type("exit 2\r");
    assert.match((await terminal.finished).stdout, /terminal kept, exit 2/);
    assert.match(await succeed("poll", name), /^exited with 2/);
  });

  test("the terminal comes back when atoll is asked to end", async (t) => {
    const id = await idleSandbox(t);
    const command = keepsTerminal(`(sleep 4; kill -TERM $(cat /tmp/$$.pid); rm /tmp/$$.pid) & \
      sh -c 'echo $$ >/tmp/'$$'.pid; exec "$ATOLL" shell ${id} -- sh'`);
    const terminal = atTerminal(t, command);
    await terminal.seen(/# /);
    assert.match((await terminal.finished).stdout, /terminal kept, exit 143/);
  });

  test("run -it is interactive too", async (t) => {
    const terminal = atTerminal(t, keepsTerminal('"$ATOLL" run -it -- sh'));
    await terminal.seen(/# /);
    terminal.type("echo mark-$((1+1))\r");
    await terminal.seen(/mark-2/);
    terminal.type("exit 9\r");
    assert.match((await terminal.finished).stdout, /terminal kept, exit 9/);
  });
});
