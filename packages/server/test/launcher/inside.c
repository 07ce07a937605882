/* What the tests do inside a claimed root, as its only program: inside VERB PATH. Prints an answer, or the errno. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int answer(long result) {
  printf("%s\n", result < 0 ? strerrorname_np(errno) : "ok");
  return 0;
}

static int write_some(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  return answer(fd < 0 ? -1 : write(fd, text, strlen(text)));
}

static int fill(const char *path) {
  static char block[1 << 16];
  long long total = 0;
  int fd = open(path, O_WRONLY | O_CREAT, 0644);
  for (ssize_t count; fd >= 0 && (count = write(fd, block, sizeof block)) > 0;)
    total += count;
  printf("%lld %s\n", total, strerrorname_np(errno));
  return 0;
}

static int size(const char *path) {
  struct statvfs found;
  if (statvfs(path, &found) != 0)
    return answer(-1);
  printf("%llu %llu\n", (unsigned long long)found.f_blocks * found.f_frsize, (unsigned long long)found.f_bavail * found.f_frsize);
  return 0;
}

static int owner(const char *path) {
  struct stat found;
  if (lstat(path, &found) != 0)
    return answer(-1);
  printf("%u %u %o\n", found.st_uid, found.st_gid, found.st_mode & 07777);
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  const char *verb = argv[1], *path = argv[2];
  if (strcmp(verb, "write") == 0)
    return write_some(path, "inside\n");
  if (strcmp(verb, "fill") == 0)
    return fill(path);
  if (strcmp(verb, "size") == 0)
    return size(path);
  if (strcmp(verb, "owner") == 0)
    return owner(path);
  if (strcmp(verb, "chown") == 0)
    return answer(lchown(path, 1234, 4321));
  if (strcmp(verb, "mkdir") == 0)
    return answer(mkdir(path, 0755));
  if (strcmp(verb, "remove") == 0)
    return answer(remove(path));
  return 2;
}
