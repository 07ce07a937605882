/*
 * A container as an OCI runtime leaves it: `holder HOST_UID` makes one in namespaces of its own, below a read-only root with
 * proc, dev and newroot, prints its pid and ends; the container stays until it is killed. HOST_UID 0: no user namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void require(long result, const char *what) {
  if (result >= 0)
    return;
  fprintf(stderr, "holder: cannot %s: %s\n", what, strerror(errno));
  exit(1);
}

static void write_map(pid_t pid, const char *name, const char *base) {
  char path[64], map[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  int length = snprintf(map, sizeof map, "0 %s 65536", base);
  int fd = open(path, O_WRONLY);
  require(fd, path);
  require(write(fd, map, (size_t)length), path);
  close(fd);
}

static void make_root(void) {
  require(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
  require(mount("holder", "/tmp", "tmpfs", 0, "mode=0755"), "mount the root");
  require(chdir("/tmp"), "enter the root");
  for (const char *const *name = (const char *const[]){"proc", "dev", "newroot", "old", NULL}; *name; name++)
    require(mkdir(*name, 0755), *name);
  require(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount proc");
  require(mount("dev", "dev", "tmpfs", 0, "mode=0755"), "mount dev");
  require(mkdir("dev/shm", 01777), "make dev/shm");
  require(mount("shm", "dev/shm", "tmpfs", 0, NULL), "mount dev/shm");
  require(syscall(SYS_pivot_root, ".", "old"), "change the root");
  require(chdir("/"), "enter the new root");
  require(umount2("/old", MNT_DETACH), "let the old root go");
  require(rmdir("/old"), "remove its place");
  require(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "make the root read-only");
}

static void hold(int ready) {
  make_root();
  require(write(ready, "r", 1), "report");
  for (int fd = 0; fd < 16; fd++)
    close(fd);
  for (;;)
    pause();
}

int main(int argc, char **argv) {
  int mapped[2], ready[2];
  char byte;
  const char *base = argc > 1 ? argv[1] : "0";
  int has_users = strcmp(base, "0") != 0;
  int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | SIGCHLD | (has_users ? CLONE_NEWUSER : 0);
  require(pipe(mapped), "make a pipe");
  require(pipe(ready), "make a pipe");
  pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
  require(pid, "make namespaces");
  if (pid == 0) {
    require(read(mapped[0], &byte, 1), "wait for the maps");
    require(setresgid(0, 0, 0), "become root");
    require(setresuid(0, 0, 0), "become root");
    hold(ready[1]);
  }
  if (has_users) {
    write_map(pid, "uid_map", base);
    write_map(pid, "gid_map", base);
  }
  close(ready[1]);
  require(write(mapped[1], "m", 1), "report the maps");
  if (read(ready[0], &byte, 1) != 1)
    return 1;
  printf("%d\n", pid);
  return 0;
}
