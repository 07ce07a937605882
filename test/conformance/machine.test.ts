/** What the sandbox looks like as a machine, at every isolation level. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eachIsolation, newSandbox, python, run, sharedSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

/** Python programs that end with 0 when all is as it should be. */
const pythonPrograms: readonly { readonly title: string; readonly program: string }[] = [
  {
    title: "threads run and share memory",
    program: `
import threading
total = 0
lock = threading.Lock()
def add():
    global total
    for _ in range(1000):
        with lock: total += 1
threads = [threading.Thread(target=add) for _ in range(16)]
[t.start() for t in threads]; [t.join() for t in threads]
assert total == 16000`,
  },
  {
    title: "subprocesses, pipes and multiprocessing work",
    program: `
import subprocess, multiprocessing
assert subprocess.run("tr a-z A-Z", shell=True, input=b"abc", capture_output=True).stdout == b"ABC"
with multiprocessing.Pool(4) as pool: assert pool.map(abs, range(-50, 0)) == list(range(50, 0, -1))`,
  },
  {
    title: "TCP and UDP work on loopback",
    program: `
import socket, threading
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    server = socket.socket(socket.AF_INET, kind); server.bind(("127.0.0.1", 0))
    client = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        server.listen(); client.connect(server.getsockname()); peer, _ = server.accept()
    else:
        client.connect(server.getsockname()); peer = server
    client.sendall(b"hello"); assert peer.recv(5) == b"hello"`,
  },
  {
    title: "IPv6 works on loopback",
    program: `
import socket
server = socket.socket(socket.AF_INET6); server.bind(("::1", 0)); server.listen()
socket.create_connection(server.getsockname()[:2]).close()`,
  },
  {
    title: "root binds port 80",
    program: `
import socket
server = socket.socket(); server.bind(("0.0.0.0", 80)); server.listen()
socket.create_connection(("127.0.0.1", 80)).close()`,
  },
  {
    title: "unix sockets work, with a path, without one, and with descriptors passed over them",
    program: `
import os, socket
for name in ("/tmp/unix-socket", "\\0abstract-name"):
    if name[0] == "/" and os.path.exists(name): os.unlink(name)
    server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen()
    client = socket.socket(socket.AF_UNIX); client.connect(name); peer, _ = server.accept()
    client.sendall(b"x"); assert peer.recv(1) == b"x"
one, other = socket.socketpair()
reader, writer = os.pipe()
socket.send_fds(one, [b"fd"], [writer])
_, fds, _, _ = socket.recv_fds(other, 2, 1)
os.write(fds[0], b"through"); assert os.read(reader, 7) == b"through"`,
  },
  {
    title: "shared memory is writable, and mmap, fork, eventfd and epoll work",
    program: `
import mmap, os, select
from multiprocessing import shared_memory
block = shared_memory.SharedMemory(create=True, size=4096); block.buf[0] = 7
area = mmap.mmap(-1, 4096)
if os.fork() == 0:
    area[0] = block.buf[0]; os._exit(0)
os.wait(); assert area[0] == 7
block.close(); block.unlink()
event = os.eventfd(0); poll = select.epoll(); poll.register(event, select.EPOLLIN)
os.eventfd_write(event, 1); assert poll.poll(5)`,
  },
  {
    title: "files are owned, locked, linked and renamed",
    program: `
import fcntl, os, tempfile
d = tempfile.mkdtemp(); p = os.path.join(d, "f"); open(p, "w").write("x")
os.chown(p, 12345, 54321); s = os.stat(p); assert (s.st_uid, s.st_gid) == (12345, 54321)
os.chown(p, 65534, 65534); assert os.stat(p).st_uid == 65534
os.chmod(p, 0o4755); os.link(p, p + "2"); os.symlink("f", p + "3"); os.rename(p + "2", p + "4")
assert os.stat(p).st_nlink == 2 and os.readlink(p + "3") == "f"
f = open(p); fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.utime(p, (1, 2)); assert os.stat(p).st_mtime == 2`,
  },
  {
    title: "root becomes another user and is that user",
    program: `
import os
if os.fork() == 0:
    os.setgroups([100]); os.setgid(4000); os.setuid(4001)
    assert (os.getuid(), os.getgid(), os.getgroups()) == (4001, 4000, [100])
    try: open("/etc/shadow"); os._exit(2)
    except PermissionError: pass
    try: os.setuid(0); os._exit(3)
    except PermissionError: os._exit(0)
assert os.wait()[1] == 0`,
  },
];

const devices = ["full", "null", "ptmx", "pts", "random", "shm", "tty", "urandom", "zero"];
/** Links into /proc, and what only one level has and does no harm: message queues; gVisor's own, answered by itself. */
const harmless = ["core", "fd", "stderr", "stdin", "stdout", "mqueue", "fuse", "net"];

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation });

  for (const { title, program } of pythonPrograms)
    test(title, async () => {
      const ended = await python(sandbox(), program);
      assert.deepEqual([ended.stdout, ended.stderr, ended.returncode], ["", "", 0]);
    });

  test("the hostname names the sandbox and resolves to an address of its own", async () => {
    const { stdout } = await shell(
      sandbox(),
      "hostname; getent hosts $(hostname); getent hosts localhost; cat /proc/sys/kernel/hostname",
    );
    const [name, own, local, kernels] = stdout.trim().split("\n");
    assert.ok(name && sandbox().id.includes(name), `${name} is part of ${sandbox().id}`);
    assert.equal(kernels, name);
    assert.match(own ?? "", /^10\.\d+\.\d+\.\d+ /);
    assert.match(local ?? "", /^(127\.0\.0\.1|::1) /);
  });

  test("resolv.conf names servers that are not the host's loopback, and cannot be changed on the host", async () => {
    const { stdout } = await shell(
      sandbox(),
      "cat /etc/resolv.conf; echo nameserver 127.0.0.1 >> /etc/resolv.conf || cat /etc/resolv.conf",
    );
    assert.doesNotMatch(stdout, /nameserver 127\./);
  });

  test("/dev holds what programs need and nothing of the machine", async () => {
    const { stdout } = await run(sandbox(), ["ls", "/dev"]);
    const names = stdout.trim().split("\n");
    assert.deepEqual(
      devices.filter((name) => !names.includes(name)),
      [],
    );
    assert.deepEqual(
      names.filter((name) => !devices.includes(name) && !harmless.includes(name)),
      [],
    );
    const works = await shell(
      sandbox(),
      "head -c 4 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c; echo x > /dev/null; echo x | cat > /dev/full",
    );
    assert.match(works.stdout, /^ 00 00 00 00\n8\n$/);
    assert.match(works.stderr, /No space left/);
  });

  test("/proc shows the sandbox's processes only", async () => {
    const { stdout } = await shell(
      sandbox(),
      "cat /proc/1/comm; ls /proc | grep -c '^[0-9]'; cat /proc/self/mountinfo | wc -l",
    );
    const [init, count] = stdout.split("\n");
    assert.equal(init, "init");
    assert.ok(Number(count) < 10, `${count} processes`);
  });

  test("the whole root, /tmp and /dev/shm are writable, and programs run from there", async () => {
    const { stderr, returncode } = await shell(
      sandbox(),
      "set -e; for d in / /usr /etc /root /var/lib /home /opt /tmp /dev/shm; do echo x > $d/written; done; cp /bin/true /tmp/true; /tmp/true; rm -r /usr/share/doc /opt; mkdir /opt",
    );
    assert.deepEqual([stderr, returncode], ["", 0]);
  });

  test("what one sandbox changes of the image, no other sandbox sees", async () => {
    const changed = await shell(
      sandbox(),
      "echo changed > /etc/issue; rm /usr/bin/env; echo new > /usr/new-file; chmod 000 /usr/bin/id; cat /etc/issue",
    );
    assert.deepEqual([changed.stdout, changed.returncode], ["changed\n", 0]);
    await using other = await newSandbox({ isolation });
    const seen = await shell(other, "cat /etc/issue; ls /usr/bin/env /usr/new-file; id -u");
    assert.doesNotMatch(seen.stdout, /changed/);
    assert.match(seen.stdout, /^\/usr\/bin\/env$/m);
    assert.match(seen.stdout, /^0$/m);
    assert.doesNotMatch(seen.stdout, /new-file/);
  });

  test("the time, the processors and the kernel are told", async () => {
    const { stdout } = await shell(sandbox(), "date +%s; nproc; uname -sm");
    const [seconds, processors, kernel] = stdout.split("\n");
    assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 60);
    assert.ok(Number(processors) >= 1);
    assert.match(kernel ?? "", /^Linux (x86_64|aarch64)$/);
  });
});
