#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOP_TRIES = 256 };

/* AUTOCLEAR: the device lets go of the file when its last user does, which is the mount. Direct I/O (which the kernel leaves
 * out where the backing file system has none) keeps the pages of a sandbox from being cached twice. */
static int loop_configure(int device, int file) {
  struct loop_config config = {.fd = (uint32_t)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO};
  return ioctl(device, LOOP_CONFIGURE, &config);
}

/* LOOP_CTL_GET_FREE reserves nothing: whoever configures the device first has it, and the others ask again. */
static int loop_attach_once(int control, int file, char *path, size_t room) {
  int number = ioctl(control, LOOP_CTL_GET_FREE);
  if (number < 0)
    return -1;
  snprintf(path, room, "/dev/loop%d", number);
  int device = open(path, O_RDWR | O_CLOEXEC);
  if (device < 0 || loop_configure(device, file) == 0)
    return device;
  int error = errno;
  close(device);
  errno = error;
  return -1;
}

static int loop_attach(const char *file_path, char *device_path, size_t room) {
  int device = -1;
  int file = open(file_path, O_RDWR | O_CLOEXEC);
  if (file < 0)
    return -1;
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  for (int i = 0; control >= 0 && i < LOOP_TRIES; i++) {
    device = loop_attach_once(control, file, device_path, room);
    if (device >= 0 || errno != EBUSY)
      break;
  }
  int error = errno;
  close(file);
  if (control >= 0)
    close(control);
  errno = error;
  return device;
}

/*
 * nobarrier, because nothing on it is read again after a crash of the machine: the layer never survives its sandbox.
 * noinit_itable, because no kernel thread should go on filling the image in the background.
 */
static int mount_ext4(const char *device) {
  int context = fsopen("ext4", FSOPEN_CLOEXEC), mount = -1;
  if (context < 0)
    return -1;
  if (fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) == 0 &&
      fsconfig(context, FSCONFIG_SET_FLAG, "nobarrier", NULL, 0) == 0 &&
      fsconfig(context, FSCONFIG_SET_FLAG, "noinit_itable", NULL, 0) == 0 &&
      fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    mount = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
  int error = errno;
  close(context);
  errno = error;
  return mount;
}

static bool make_directory(int mount, const char *name, mode_t mode) {
  return (mkdirat(mount, name, mode) == 0 && fchmodat(mount, name, mode, 0) == 0) || errno == EEXIST;
}

static struct failure make_directories(int mount, const char *place) {
  char upper[PATH_MAX], work[PATH_MAX];
  if (snprintf(upper, sizeof upper, "%s/upper", place) >= PATH_MAX || snprintf(work, sizeof work, "%s/work", place) >= PATH_MAX)
    return failure_of(ENAMETOOLONG, "make upper and work");
  if (!make_directory(mount, upper, 0755) || !make_directory(mount, work, 0700))
    return failure_of(errno, "make %s and %s", upper, work);
  return SUCCESS;
}

static struct failure mount_file(const char *path, int *mount) {
  char device_path[32];
  int device = loop_attach(path, device_path, sizeof device_path);
  if (device < 0)
    return failure_of(errno, "attach %s", path);
  *mount = mount_ext4(device_path);
  int error = errno;
  close(device); /* from here on the mount is its only user */
  return *mount >= 0 ? SUCCESS : failure_of(error, "mount %s", path);
}

struct failure writable_mount(const char *path, int *mount) {
  struct failure failure = mount_file(path, mount);
  return failure.error ? failure : make_directories(*mount, ".");
}

/* The kernel has one instance of a file system however often its device is mounted. */
struct failure disk_mount(const char *path, int *mount) {
  struct stat found;
  if (stat(path, &found) != 0)
    return failure_of(errno, "look at %s", path);
  if (!S_ISBLK(found.st_mode))
    return mount_file(path, mount);
  *mount = mount_ext4(path);
  return *mount >= 0 ? SUCCESS : failure_of(errno, "mount %s", path);
}

/* Of a place of several names, all are made. */
static bool make_place(int mount, const char *place) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s", place) >= PATH_MAX)
    return false;
  for (char *end = path; (end = strchr(end, '/')); *end++ = '/') {
    *end = '\0';
    if (path[0] != '\0' && !make_directory(mount, path, 0700))
      return false;
  }
  return make_directory(mount, path, 0700);
}

/* Sandboxes see nothing of a disk but `upper`. */
struct failure writable_open(const char *path, const char *place, int *mount) {
  struct stat found;
  if (stat(path, &found) != 0)
    return failure_of(errno, "look at %s", path);
  *mount = S_ISBLK(found.st_mode) ? mount_ext4(path) : open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (*mount < 0)
    return failure_of(errno, "mount %s", path);
  if (!make_place(*mount, place))
    return failure_of(errno, "make %s in %s", place, path);
  return make_directories(*mount, place);
}
