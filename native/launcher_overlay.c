#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Overlayfs takes at most 500 lower layers. */
enum { LAYERS_MAX = 500, MESSAGE_MAX = 256, LOWER_OPTION_MAX = LAYERS_MAX * 4, PLACE_MAX = 256 };

/* A place that exists everywhere, in a mount namespace that nobody else sees. */
#define STAGING "/tmp"

/*
 * volatile: nothing is synced, because the writable layer never survives its sandbox. The others are stated so that the layers
 * are the same whatever a kernel's defaults are: plain trees, which mean the same on their own and in another stack.
 */
static const char *const overlay_options[][2] = {{"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}};

/* The file system id alone: with it, what overlayfs and mkdir create belongs to that id, and every capability is kept. */
void act_as(uint32_t id) {
  setfsgid(id);
  setfsuid(id);
}

static struct failure map_ids(int tree, int user_namespace, uint64_t attributes, const char *path) {
  struct mount_attr attr = {.attr_set = attributes, .propagation = MS_PRIVATE};
  if (user_namespace >= 0) {
    attr.attr_set |= MOUNT_ATTR_IDMAP;
    attr.userns_fd = (uint64_t)user_namespace;
  }
  if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
    return SUCCESS;
  return failure_of(errno, "%s %s", user_namespace >= 0 ? "map ids of" : "set flags of", path);
}

struct failure tree_clone(const char *path, int user_namespace, uint64_t attributes, int *tree) {
  *tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (*tree < 0)
    return failure_of(errno, "open %s", path);
  return map_ids(*tree, user_namespace, attributes, path);
}

/* What the file system has to say about the failure, as the last line of its log. */
static struct failure context_failure(int context, const char *step) {
  char message[MESSAGE_MAX] = "", line[MESSAGE_MAX];
  int error = errno;
  for (ssize_t count; (count = read(context, line, sizeof line - 1)) > 0;) {
    line[count] = '\0';
    line[strcspn(line, "\n")] = '\0';
    memcpy(message, line, sizeof message);
  }
  return failure_of(error, "%s%s%s", step, message[0] ? ": " : "", message);
}

static struct failure set_options(int context, bool is_writable) {
  if (fsconfig(context, FSCONFIG_SET_STRING, "source", "overlay", 0) != 0)
    return context_failure(context, "overlay source");
  if (is_writable && fsconfig(context, FSCONFIG_SET_FLAG, "volatile", NULL, 0) != 0)
    return context_failure(context, "overlay volatile");
  for (size_t i = 0; i < sizeof overlay_options / sizeof *overlay_options; i++)
    if (fsconfig(context, FSCONFIG_SET_STRING, overlay_options[i][0], overlay_options[i][1], 0) != 0)
      return context_failure(context, "overlay option");
  return SUCCESS;
}

static struct failure set_directory(int context, const char *key, const struct stack *stack, const char *name) {
  char path[PLACE_MAX];
  snprintf(path, sizeof path, "%s/%s", stack->place, name);
  int fd = openat(stack->writable, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return failure_of(errno, "open %s", path);
  struct failure failure = SUCCESS;
  if (fsconfig(context, FSCONFIG_SET_FD, key, NULL, fd) != 0)
    failure = context_failure(context, "overlay directories");
  close(fd);
  return failure;
}

/* `layers` are the lowest first, and lowerdir+ wants the highest first. */
static struct failure set_directories(int context, const struct stack *stack, const int *layers) {
  for (size_t i = stack->layers->count; i-- > 0;)
    if (fsconfig(context, FSCONFIG_SET_FD, "lowerdir+", NULL, layers[i]) != 0)
      return context_failure(context, "overlay layers");
  if (stack->writable < 0)
    return SUCCESS;
  struct failure failure = set_directory(context, "upperdir", stack, "upper");
  return failure.error ? failure : set_directory(context, "workdir", stack, "work");
}

/* The descriptors of the layers must stay open until the overlay exists: closing one dissolves its detached mount. */
static struct failure overlay_of_descriptors(const struct stack *stack, const int *layers, int *mount) {
  int context = fsopen("overlay", FSOPEN_CLOEXEC);
  if (context < 0)
    return failure_of(errno, "overlay");
  struct failure failure = set_directories(context, stack, layers);
  if (failure.error == 0)
    failure = set_options(context, stack->writable >= 0);
  if (failure.error == 0 && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
    failure = context_failure(context, "overlay");
  if (failure.error == 0 && (*mount = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV)) < 0)
    failure = failure_of(errno, "mount overlay");
  close(context);
  return failure;
}

struct failure open_staging(void) {
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    return failure_of(errno, "staging namespace");
  if (mount("staging", STAGING, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=4m") != 0 || chdir(STAGING) != 0)
    return failure_of(errno, "staging");
  return SUCCESS;
}

struct failure stage(int tree, const char *name) {
  if (mkdir(name, 0700) != 0 || move_mount(tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return failure_of(errno, "stage %s", name);
  return SUCCESS;
}

/* Names of at most three digits, relative to the staging directory: mount(2) takes one page of options. */
static struct failure stage_layers(const int *layers, size_t count, char *option) {
  size_t length = 0;
  for (size_t i = count; i-- > 0;) {
    char name[24];
    snprintf(name, sizeof name, "%zu", i);
    struct failure failure = stage(layers[i], name);
    if (failure.error != 0)
      return failure;
    length += (size_t)sprintf(option + length, "%s%s", length > 0 ? ":" : "", name);
  }
  return SUCCESS;
}

static struct failure mount_staged(const struct stack *stack, const char *lower, int *mounted) {
  char options[LOWER_OPTION_MAX + 2 * PLACE_MAX + 256], upper[2 * PLACE_MAX + 64] = "";
  if (stack->writable >= 0)
    snprintf(upper, sizeof upper, "upperdir=w/%s/upper,workdir=w/%s/work,volatile,", stack->place, stack->place);
  snprintf(options, sizeof options, "lowerdir=%s,%s%s=%s,%s=%s,%s=%s", lower, upper, overlay_options[0][0],
           overlay_options[0][1], overlay_options[1][0], overlay_options[1][1], overlay_options[2][0], overlay_options[2][1]);
  if (mkdir("root", 0700) != 0 || mount("overlay", "root", "overlay", MS_NODEV, options) != 0)
    return failure_of(errno, "overlay by paths");
  *mounted = open_tree(AT_FDCWD, "root", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  return *mounted >= 0 ? SUCCESS : failure_of(errno, "overlay by paths");
}

/* Before Linux 6.13 overlayfs takes paths only, so everything gets one for a moment. */
static struct failure overlay_of_paths(const struct stack *stack, uint32_t id, const int *layers, int *mount) {
  char lower[LOWER_OPTION_MAX + 1] = "";
  act_as(0);
  struct failure failure = open_staging();
  if (failure.error == 0)
    failure = stage_layers(layers, stack->layers->count, lower);
  if (failure.error == 0 && stack->writable >= 0)
    failure = stage(stack->writable, "w");
  act_as(id);
  return failure.error ? failure : mount_staged(stack, lower, mount);
}

static bool needs_paths(const struct failure *failure) {
  return failure->error == EINVAL || failure->error == ENOSYS || failure->error == EBADF;
}

/* When overlayfs cannot set its work directory up, it mounts read-only and says so in the kernel's log alone. */
static struct failure check_writable(int mount) {
  struct statfs found;
  if (fstatfs(mount, &found) != 0)
    return failure_of(errno, "look at overlay");
  return found.f_flags & ST_RDONLY ? failure_of(EROFS, "overlay: the writable layer was not accepted") : SUCCESS;
}

static struct failure open_layers(const struct stack *stack, int *layers) {
  for (size_t i = 0; i < stack->layers->count; i++) {
    struct failure failure =
        tree_clone(stack->layers->items[i], stack->user_namespace, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, &layers[i]);
    if (failure.error != 0)
      return failure;
  }
  return SUCCESS;
}

/*
 * Overlayfs keeps the credentials of its mounter. On an idmapped layer, a file system id outside the map cannot create
 * anything (EOVERFLOW), hence the id of the sandbox's root.
 */
struct failure overlay_mount(const struct stack *stack, int *mount) {
  static int layers[LAYERS_MAX];
  size_t count = stack->layers->count;
  bool is_mapped = stack->user_namespace >= 0;
  if (count == 0 || count > LAYERS_MAX || strlen(stack->place) >= PLACE_MAX / 2)
    return failure_of(EINVAL, "%zu layers instead of 1 to %d", count, LAYERS_MAX);
  struct failure failure = open_layers(stack, layers);
  if (failure.error == 0 && is_mapped && stack->writable >= 0)
    failure = map_ids(stack->writable, stack->user_namespace, MOUNT_ATTR_NODEV, "the writable layer");
  if (failure.error != 0)
    return failure;
  bool by_paths = getenv("ATOLL_CLAIM_WITHOUT_FD") != NULL;
  uint32_t id = is_mapped ? stack->root_id : 0;
  act_as(id);
  if (!by_paths)
    failure = overlay_of_descriptors(stack, layers, mount);
  if (by_paths || needs_paths(&failure))
    failure = overlay_of_paths(stack, id, layers, mount);
  act_as(0);
  return failure.error || stack->writable < 0 ? failure : check_writable(*mount);
}
