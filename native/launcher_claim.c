#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What is made before the holder's mount namespace is entered, since host paths mean nothing inside it. */
struct parts {
  int mount_namespace, user_namespace, network_namespace;
  int writable, root, sysfs;
  int *binds;
};

struct failure open_namespace(uint32_t pid, const char *name, int *fd) {
  char path[64];
  if (!process_descends_from((pid_t)pid, getppid()))
    return failure_of(ESRCH, "holder %u", pid);
  snprintf(path, sizeof path, "/proc/%u/ns/%s", pid, name);
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  return *fd >= 0 ? SUCCESS : failure_of(errno, "%s namespace of %u", name, pid);
}

static struct failure open_namespaces(const struct claim *claim, struct parts *parts) {
  struct failure failure = open_namespace(claim->mount_pid, "mnt", &parts->mount_namespace);
  if (failure.error == 0 && claim->user_pid != 0)
    failure = open_namespace(claim->user_pid, "user", &parts->user_namespace);
  if (failure.error == 0 && claim->has_sysfs)
    failure = open_namespace(claim->mount_pid, "net", &parts->network_namespace);
  return failure;
}

static bool is_of_kind(const struct bind *bind, mode_t mode) {
  if (bind->flags & BIND_DEVICE)
    return S_ISCHR(mode) || S_ISBLK(mode);
  return S_ISDIR(mode) == !(bind->flags & BIND_FILE);
}

/* Without a map, set-user-id programs of the host would mean the host's users. */
static uint64_t bind_attributes(uint8_t flags) {
  uint64_t attributes = flags & BIND_READ_ONLY ? MOUNT_ATTR_RDONLY : 0;
  if (!(flags & BIND_IDMAPPED))
    attributes |= MOUNT_ATTR_NOSUID;
  return attributes | (flags & BIND_DEVICE ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV);
}

static struct failure open_bind(const struct bind *bind, int user_namespace, int *tree) {
  struct stat found;
  int map = bind->flags & BIND_IDMAPPED ? user_namespace : -1;
  struct failure failure = tree_clone(bind->source, map, bind_attributes(bind->flags), tree);
  if (failure.error != 0)
    return failure;
  if (fstatat(*tree, "", &found, AT_EMPTY_PATH) != 0 || !is_of_kind(bind, found.st_mode))
    return failure_of(EINVAL, "%s is not of the kind to bind", bind->source);
  return SUCCESS;
}

static struct failure open_binds(const struct claim *claim, struct parts *parts) {
  parts->binds = calloc(claim->bind_count + 1, sizeof *parts->binds);
  if (!parts->binds)
    return failure_of(ENOMEM, "binds");
  for (size_t i = 0; i < claim->bind_count; i++) {
    struct failure failure = open_bind(&claim->binds[i], parts->user_namespace, &parts->binds[i]);
    if (failure.error != 0)
      return failure;
  }
  return SUCCESS;
}

/* sysfs shows the network namespace of whoever creates it. */
static struct failure open_sysfs(struct parts *parts) {
  if (setns(parts->network_namespace, CLONE_NEWNET) != 0)
    return failure_of(errno, "network namespace");
  int context = fsopen("sysfs", FSOPEN_CLOEXEC);
  if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "source", "sysfs", 0) != 0 ||
      fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
    return failure_of(errno, "sysfs");
  parts->sysfs = fsmount(context, FSMOUNT_CLOEXEC,
                         MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  close(context);
  return parts->sysfs >= 0 ? SUCCESS : failure_of(errno, "sysfs");
}

static struct failure make_parts(const struct claim *claim, struct parts *parts) {
  struct failure failure = open_namespaces(claim, parts);
  if (failure.error == 0)
    failure = open_binds(claim, parts);
  if (failure.error == 0)
    failure = writable_mount(claim->writable, &parts->writable);
  struct stack stack = {&claim->layers, claim->root_id, parts->user_namespace, parts->writable, "."};
  if (failure.error == 0)
    failure = overlay_mount(&stack, &parts->root);
  if (failure.error == 0 && claim->has_sysfs)
    failure = open_sysfs(parts);
  return failure;
}

/*
 * Read-only inside gVisor is a promise of its kernel alone, which whoever makes a user namespace and a mount namespace there can take back:
 * here it is the machine's kernel that refuses. What is mounted below is left as it is.
 */
static struct failure close_mounts(const struct list *paths) {
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
  for (size_t i = 0; i < paths->count; i++)
    if (mount_setattr(AT_FDCWD, paths->items[i], AT_SYMLINK_NOFOLLOW, &attr, sizeof attr) != 0)
      return failure_of(errno, "close %s", paths->items[i]);
  return SUCCESS;
}

static struct failure attach_root(const struct claim *claim, int holder_root, int root) {
  int point;
  struct failure failure = place_find(holder_root, claim->target, &point);
  if (failure.error != 0)
    return failure;
  failure = place_mount(root, point, "attach root");
  close(point);
  return failure;
}

static struct failure attach_directory(int root, int tree, const char *path) {
  int point;
  struct failure failure = place_directory(root, path, &point);
  if (failure.error != 0)
    return failure;
  failure = place_mount(tree, point, path);
  close(point);
  return failure;
}

static struct failure move(int holder_root, int root, const char *name) {
  int tree;
  struct failure failure = place_find(holder_root, name, &tree);
  if (failure.error != 0)
    return failure;
  failure = attach_directory(root, tree, name);
  close(tree);
  return failure;
}

static struct failure attach_bind(const struct bind *bind, int root, int tree) {
  int point;
  if (!(bind->flags & (BIND_FILE | BIND_DEVICE)))
    return attach_directory(root, tree, bind->destination);
  struct failure failure = place_file(root, bind->destination, &point);
  if (failure.error != 0)
    return failure;
  failure = place_mount(tree, point, bind->destination);
  close(point);
  return failure;
}

static struct failure attach_inside(const struct claim *claim, const struct parts *parts, int holder_root) {
  struct failure failure = SUCCESS;
  for (size_t i = 0; i < claim->moves.count && failure.error == 0; i++)
    failure = move(holder_root, parts->root, claim->moves.items[i]);
  if (failure.error == 0 && parts->sysfs >= 0)
    failure = attach_directory(parts->root, parts->sysfs, "sys");
  for (size_t i = 0; i < claim->bind_count && failure.error == 0; i++)
    failure = attach_bind(&claim->binds[i], parts->root, parts->binds[i]);
  return failure;
}

/* pivot_root(2): with both paths the same, the old root ends up stacked on the new one, and is let go of there. */
static struct failure pivot(int root) {
  if (fchdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0)
    return failure_of(errno, "pivot_root");
  return umount2(".", MNT_DETACH) == 0 ? SUCCESS : failure_of(errno, "unmount the old root");
}

/* From here on paths are the holder's. What is made in its root belongs to its root user. */
static struct failure attach(const struct claim *claim, const struct parts *parts) {
  if (setns(parts->mount_namespace, CLONE_NEWNS) != 0)
    return failure_of(errno, "mount namespace");
  int holder_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (holder_root < 0)
    return failure_of(errno, "root of the holder");
  struct failure failure = close_mounts(&claim->closed);
  if (failure.error == 0)
    failure = attach_root(claim, holder_root, parts->root);
  act_as(claim->user_pid != 0 ? claim->root_id : 0);
  if (failure.error == 0)
    failure = attach_inside(claim, parts, holder_root);
  act_as(0);
  close(holder_root);
  return failure.error == 0 && claim->pivots ? pivot(parts->root) : failure;
}

/* NO_SETUID_FIXUP: a file system id other than 0 would else drop the capabilities over files. */
struct failure keep_capabilities(void) {
  umask(0);
  return prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0 ? SUCCESS : failure_of(errno, "securebits");
}

struct failure claim_run(const struct claim *claim) {
  struct parts parts = {-1, -1, -1, -1, -1, -1, NULL};
  struct failure failure = keep_capabilities();
  if (failure.error == 0)
    failure = make_parts(claim, &parts);
  return failure.error ? failure : attach(claim, &parts);
}
