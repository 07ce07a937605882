/*
 * `launcher within DISK COMMAND...`: executes a command in the root of a disk, which is mounted for it alone: detached, so that
 * nothing is left of the mount however the command ends.
 * `launcher clone FREEZER DEVICE DISK CLONE`: makes a file that shares all blocks of a disk, as the disk is at one instant.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { CANNOT_MOUNT = 125, CANNOT_EXECUTE = 126, FREEZE_LIMIT_MS = 10000, FREEZE_LOOK_US = 200 };

static int told(const struct failure *failure) {
  fprintf(stderr, "launcher: cannot %s: %s\n", failure->step, strerror(failure->error));
  return failure->error ? CANNOT_MOUNT : 0;
}

int within(char **argv) {
  int mount;
  struct failure failure = disk_mount(argv[0], &mount);
  if (failure.error == 0 && fchdir(mount) != 0)
    failure = failure_of(errno, "enter %s", argv[0]);
  if (failure.error != 0)
    return told(&failure);
  close(mount); /* the working directory keeps it */
  execvp(argv[1], argv + 1);
  failure = failure_of(errno, "execute %s", argv[1]);
  told(&failure);
  return CANNOT_EXECUTE;
}

/* The cgroup freezer of either version: what is written, and where and how the state is read. */
struct freezer {
  int control, state;
  const char *freeze, *thaw, *is_frozen;
};

static struct failure freezer_open(const char *path, struct freezer *freezer) {
  int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    return failure_of(errno, "open %s", path);
  *freezer = (struct freezer){.freeze = "1", .thaw = "0", .is_frozen = "frozen 1"};
  freezer->control = openat(directory, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
  freezer->state = openat(directory, "cgroup.events", O_RDONLY | O_CLOEXEC);
  if (freezer->control < 0) {
    *freezer = (struct freezer){.freeze = "FROZEN", .thaw = "THAWED", .is_frozen = "FROZEN"};
    freezer->control = openat(directory, "freezer.state", O_WRONLY | O_CLOEXEC);
    freezer->state = openat(directory, "freezer.state", O_RDONLY | O_CLOEXEC);
  }
  int error = errno;
  close(directory);
  return freezer->control >= 0 && freezer->state >= 0 ? SUCCESS : failure_of(error, "open the freezer in %s", path);
}

static bool set_state(const struct freezer *freezer, const char *state) {
  return write(freezer->control, state, strlen(state)) == (ssize_t)strlen(state);
}

static bool is_frozen(const struct freezer *freezer) {
  char text[256];
  ssize_t length = pread(freezer->state, text, sizeof text - 1, 0);
  text[length > 0 ? length : 0] = '\0';
  return strstr(text, freezer->is_frozen) != NULL;
}

static struct failure freeze(const struct freezer *freezer) {
  if (!set_state(freezer, freezer->freeze))
    return failure_of(errno, "freeze the sandbox");
  for (uint64_t limit = now_ms() + FREEZE_LIMIT_MS; !is_frozen(freezer); usleep(FREEZE_LOOK_US))
    if (now_ms() > limit)
      return failure_of(ETIMEDOUT, "freeze the sandbox");
  return SUCCESS;
}

struct disk {
  int root, file, clone;
};

static struct failure disk_open(char **paths, struct disk *disk) {
  int mount;
  struct failure failure = disk_mount(paths[0], &mount);
  if (failure.error != 0)
    return failure;
  disk->root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* syncfs(2) wants more than a path */
  close(mount);
  if (disk->root < 0)
    return failure_of(errno, "open the root of %s", paths[0]);
  disk->file = open(paths[1], O_RDONLY | O_CLOEXEC);
  if (disk->file < 0)
    return failure_of(errno, "open %s", paths[1]);
  disk->clone = open(paths[2], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  return disk->clone >= 0 ? SUCCESS : failure_of(errno, "make %s", paths[2]);
}

/* What the sandbox's file system holds in memory goes to the disk, and the clone becomes what the disk is. */
static struct failure catch_up(const struct disk *disk) {
  if (syncfs(disk->root) != 0)
    return failure_of(errno, "write back what the sandbox wrote");
  return ioctl(disk->clone, FICLONE, disk->file) == 0 ? SUCCESS : failure_of(errno, "clone the disk");
}

static uint64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Thawed whatever happens: who is killed in between leaves that to the daemon. */
static struct failure catch_up_frozen(const struct disk *disk, const struct freezer *freezer, uint64_t *paused_us) {
  uint64_t began = now_us();
  struct failure failure = freeze(freezer);
  if (failure.error == 0)
    failure = catch_up(disk);
  if (!set_state(freezer, freezer->thaw) && failure.error == 0)
    failure = failure_of(errno, "thaw the sandbox");
  *paused_us = now_us() - began;
  return failure;
}

/*
 * Twice without a pause: the first takes as long as there is to write back and as the disk has fragments, the second as long as what
 * was written meanwhile. The third finds nearly all blocks shared already, and passes over them. Prints for how many microseconds
 * everything in the freezer stood still.
 */
int clone_disk(char **argv) {
  struct freezer freezer = {0};
  struct disk disk = {0};
  uint64_t paused_us = 0;
  struct failure failure = freezer_open(argv[0], &freezer);
  if (failure.error == 0)
    failure = disk_open(argv + 1, &disk);
  for (int i = 0; i < 2 && failure.error == 0; i++)
    failure = catch_up(&disk);
  if (failure.error == 0)
    failure = catch_up_frozen(&disk, &freezer, &paused_us);
  if (failure.error != 0)
    return told(&failure);
  printf("%llu\n", (unsigned long long)paused_us);
  return 0;
}
