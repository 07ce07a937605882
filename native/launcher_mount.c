/* What is mounted into the root of a sandbox that runs, and unmounted again. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.8: a number that is never used again. Before, one that is free once the mount is gone. */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

static int number_of_mount(int directory, const char *name, int flags, uint64_t *number) {
  struct statx found;
  if (statx(directory, name, flags | AT_NO_AUTOMOUNT, STATX_MNT_ID_UNIQUE | STATX_MNT_ID, &found) != 0)
    return errno;
  *number = found.stx_mnt_id;
  return found.stx_mask & (STATX_MNT_ID_UNIQUE | STATX_MNT_ID) ? 0 : ENOSYS;
}

/* Only what has a place in a mount table has parts of it cloned by every kernel. Links in it lead within it. */
static struct failure narrow(int *tree, const char *sub_path) {
  if (sub_path[0] == '\0')
    return SUCCESS;
  struct failure failure = open_staging();
  if (failure.error == 0)
    failure = stage(*tree, "whole");
  if (failure.error != 0)
    return failure;
  int part = place_resolve(*tree, sub_path);
  if (part < 0)
    return failure_of(errno, "sub-path %s", sub_path);
  *tree = open_tree(part, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  return *tree >= 0 ? SUCCESS : failure_of(errno, "sub-path %s", sub_path);
}

/* The root of a stack is the upper directory: a new one is owned as that of the highest layer. On disk, so before ids are mapped. */
static struct failure own_as_layer(const struct mount_request *request, int writable) {
  char upper[PATH_MAX];
  struct stat like, on;
  if (snprintf(upper, sizeof upper, "%s/upper", request->place) >= PATH_MAX)
    return failure_of(ENAMETOOLONG, "upper");
  if (stat(request->writable, &on) != 0 || stat(request->layers.items[request->layers.count - 1], &like) != 0)
    return failure_of(errno, "look at the highest layer");
  if (!S_ISBLK(on.st_mode))
    return SUCCESS; /* a directory may have been used before */
  if (fchownat(writable, upper, like.st_uid, like.st_gid, 0) != 0 || fchmodat(writable, upper, like.st_mode & 07777, 0) != 0)
    return failure_of(errno, "own the writable layer");
  return SUCCESS;
}

static struct failure open_stack(const struct mount_request *request, int user_namespace, int *tree) {
  struct stack stack = {&request->layers, request->root_id, user_namespace, -1, request->place};
  struct failure failure = SUCCESS;
  if (request->writable[0] != '\0')
    failure = writable_open(request->writable, request->place, &stack.writable);
  if (failure.error == 0 && stack.writable >= 0)
    failure = own_as_layer(request, stack.writable);
  return failure.error ? failure : overlay_mount(&stack, tree);
}

static struct failure make_read_only(int tree) {
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
  return mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0 ? SUCCESS : failure_of(errno, "read-only");
}

static struct failure open_tree_of(const struct mount_request *request, int *tree) {
  int user_namespace = -1;
  struct failure failure = SUCCESS;
  if (request->user_pid != 0)
    failure = open_namespace(request->user_pid, "user", &user_namespace);
  if (failure.error == 0)
    failure = request->layers.count > 0 ? open_stack(request, user_namespace, tree)
                                        : tree_clone(request->source, user_namespace, MOUNT_ATTR_NODEV, tree);
  if (failure.error == 0)
    failure = narrow(tree, request->sub_path);
  return failure.error == 0 && request->is_read_only ? make_read_only(*tree) : failure;
}

/* From here on paths are the sandbox's. */
static struct failure enter_root(int mount_namespace, const char *path, int *root) {
  if (setns(mount_namespace, CLONE_NEWNS) != 0)
    return failure_of(errno, "mount namespace");
  *root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return *root >= 0 ? SUCCESS : failure_of(errno, "root");
}

/* What is made on the way belongs to the sandbox's root user. */
static struct failure attach_at(const struct mount_request *request, int root, int tree) {
  char name[NAME_MAX + 1];
  int directory;
  struct failure failure = place_inside(root, request->path, true, name, &directory);
  if (failure.error != 0)
    return failure;
  int point = place_open(directory, name, true);
  if (point < 0)
    return failure_of(errno, "mount point %s", request->path);
  return place_mount(tree, point, "mount");
}

struct failure mount_run(const struct mount_request *request, uint64_t *mount) {
  int mount_namespace, root, tree;
  struct failure failure = keep_capabilities();
  if (failure.error == 0)
    failure = open_namespace(request->mount_pid, "mnt", &mount_namespace);
  if (failure.error == 0)
    failure = open_tree_of(request, &tree);
  if (failure.error == 0)
    failure = enter_root(mount_namespace, request->root, &root);
  if (failure.error != 0)
    return failure;
  int error = number_of_mount(tree, "", AT_EMPTY_PATH, mount);
  if (error != 0)
    return failure_of(error, "number of the mount");
  act_as(request->user_pid != 0 ? request->root_id : 0);
  failure = attach_at(request, root, tree);
  act_as(0);
  return failure;
}

/*
 * The sandbox may have put something else at the path, to have us unmount what hides part of the machine: hence the number.
 * Between the two looks the name stays what it is, since the kernel lets no mount point be renamed or removed.
 */
struct failure unmount_run(const struct unmount_request *request) {
  int mount_namespace, root, directory;
  uint64_t found = 0;
  char name[NAME_MAX + 1];
  struct failure failure = open_namespace(request->mount_pid, "mnt", &mount_namespace);
  if (failure.error == 0)
    failure = enter_root(mount_namespace, request->root, &root);
  if (failure.error == 0)
    failure = place_inside(root, request->path, false, name, &directory);
  if (failure.error != 0)
    return failure;
  int error = number_of_mount(directory, name, AT_SYMLINK_NOFOLLOW, &found);
  if (error != 0 || found != request->mount)
    return failure_of(error ? error : ESTALE, "find the mount");
  if (fchdir(directory) != 0 || umount2(name, UMOUNT_NOFOLLOW | (request->is_lazy ? MNT_DETACH : 0)) != 0)
    return failure_of(errno, "unmount");
  return SUCCESS;
}
