/**
 * The system calls a process in a container may make; every other answers EPERM. Grouped by what they are for, so that a
 * reader can see what is missing and why: nothing here mounts, makes or enters namespaces, loads code into the kernel, traces
 * or configures it, reaches keyrings, or sets clocks. gVisor needs no such list, since its kernel is not the machine's.
 */
const allowed = {
  files: `access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 fallocate
    fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs fsync
    ftruncate futimesat getcwd getdents getdents64 getxattr getxattrat lchown lgetxattr link linkat listxattr listxattrat llistxattr
    lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64
    pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile setxattr
    setxattrat splice stat statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat
    utimes vmsplice write writev chroot name_to_handle_at`,
  waiting: `epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch fanotify_mark pause poll ppoll pselect6 select signalfd signalfd4
    timerfd_create timerfd_gettime timerfd_settime io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit`,
  memory: `brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mprotect mremap
    mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_madvise process_mrelease remap_file_pages
    get_mempolicy mbind set_mempolicy set_mempolicy_home_node shmat shmctl shmdt shmget`,
  processes: `arch_prctl capget capset execve execveat exit exit_group fork getegid geteuid getgid getgroups getpgid getpgrp getpid
    getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill pidfd_getfd pidfd_open
    pidfd_send_signal prctl prlimit64 process_vm_readv process_vm_writev ptrace rseq rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler sched_yield seccomp setfsgid setfsuid setgid setgroups setpgid setpriority setregid setresgid
    setresuid setreuid setrlimit setsid setuid sigaltstack tgkill tkill vfork wait4 waitid`,
  threads: `futex futex_requeue futex_wait futex_waitv futex_wake get_robust_list get_thread_area set_robust_list set_thread_area
    set_tid_address restart_syscall`,
  time: `adjtimex alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time timer_create
    timer_delete timer_getoverrun timer_gettime timer_settime times`,
  sockets: `accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto
    setsockopt shutdown pipe pipe2`,
  messages: `mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop
    semtimedop`,
  landlock: "landlock_add_rule landlock_create_ruleset landlock_restrict_self",
  system: "getcpu getrandom ioctl listmount statmount sysinfo uname modify_ldt",
};

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET of <linux/sched.h>. */
const namespaceFlags = 0x7e02_0000;
/** Families of <linux/socket.h>. All others are refused: kernel crypto, vsock to the machine below, and whatever a kernel loads on demand. */
const families = { unix: 1, inet: 2, inet6: 10 };
const netlink = { family: 16, route: 0 };
const enosys = 38;
const eprotonosupport = 93;

interface SyscallRule {
  readonly names: readonly string[];
  readonly action: "SCMP_ACT_ALLOW" | "SCMP_ACT_ERRNO";
  readonly errnoRet?: number;
  readonly args?: readonly { index: number; value: number; valueTwo?: number; op: string }[];
}

export interface Seccomp {
  readonly defaultAction: "SCMP_ACT_ERRNO";
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SyscallRule[];
}

/** The filter in the form of the OCI runtime specification ("linux.seccomp"). `architecture` as in `process.arch`. */
export function seccomp(architecture: string): Seccomp {
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 1,
    // Not the 32-bit calls of the same processor: its socketcall has the family behind a pointer, which a filter cannot follow.
    architectures: [architecture === "arm64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64"],
    syscalls: [allow(Object.values(allowed).join(" ").split(/\s+/)), ...conditional],
  };
}

const conditional: readonly SyscallRule[] = [
  { ...allow(["clone"]), args: [{ index: 0, value: namespaceFlags, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }] },
  // The flags of clone3 are behind a pointer that a filter cannot follow; C libraries fall back to clone on ENOSYS.
  { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: enosys },
  ...Object.values(families).map((family) => ({ ...allow(["socket"]), args: [isEqual(0, family)] })),
  { ...allow(["socket"]), args: [isEqual(0, netlink.family), isEqual(2, netlink.route)] },
  // As a kernel without them answers: useradd, and with it many a package, goes on without the audit protocol only then.
  {
    names: ["socket"],
    action: "SCMP_ACT_ERRNO",
    errnoRet: eprotonosupport,
    args: [isEqual(0, netlink.family), { index: 2, value: netlink.route, op: "SCMP_CMP_NE" }],
  },
  { ...allow(["socketpair"]), args: [isEqual(0, families.unix)] },
  // personality: only the query and the harmless ones (Linux, no address randomisation, both).
  ...[0, 0x0004_0000, 0xffff_ffff].map((value) => ({
    ...allow(["personality"]),
    args: [isEqual(0, value)],
  })),
];

function isEqual(index: number, value: number) {
  return { index, value, op: "SCMP_CMP_EQ" };
}

function allow(names: readonly string[]): SyscallRule {
  return { names, action: "SCMP_ACT_ALLOW" };
}
