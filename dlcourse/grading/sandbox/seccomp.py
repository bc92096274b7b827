"""A filter of system calls for the sandbox, as the BPF program that seccomp(2) takes.

It closes kernel interfaces that a notebook has no use for: ways to new privileges or namespaces,
into other processes, and to memory that counts for no process (System V shared memory, memfd).
"""

import errno
import platform
import struct

# Classic BPF (linux/bpf_common.h) on struct seccomp_data { int nr; u32 arch; u64 ip; u64 args[6]; }
LOAD, JUMP_EQUAL, JUMP_SET, JUMP_GREATER_EQUAL, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
NR, ARCH, FIRST_ARGUMENT = 0, 4, 16  # offsets; the low half of an argument, little-endian
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
X32_BIT = 0x40000000  # x86-64 system calls of the x32 ABI

# CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET (linux/sched.h)
NEW_NAMESPACES = 0x7E020000
AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10

# machine: (AUDIT_ARCH of linux/audit.h, clone, clone3, socket)
MACHINES = {"x86_64": (0xC000003E, 56, 435, 41), "aarch64": (0xC00000B7, 220, 435, 198)}

# name: (x86-64, arm64), from the kernel's asm/unistd_64.h and asm-generic/unistd.h
DENIED = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setns": (308, 268),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}


def syscall_filter(machine: str | None = None) -> bytes | None:
    """The BPF program for this machine (as `platform.machine()` names it), or None: not known."""
    machine = machine or platform.machine()
    if machine not in MACHINES:
        return None
    arch, clone, clone3, socket = MACHINES[machine]
    column = list(MACHINES).index(machine)

    def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    def deny(error: int) -> bytes:
        return instruction(RETURN, ERRNO | error)

    allow = instruction(RETURN, ALLOW)
    load_nr = instruction(LOAD, NR)
    load_argument = instruction(LOAD, FIRST_ARGUMENT)
    program = [
        instruction(LOAD, ARCH),
        instruction(JUMP_EQUAL, arch, if_true=1),
        deny(errno.ENOSYS),  # such as 32-bit calls on x86-64, whose numbers differ
        load_nr,
        instruction(JUMP_GREATER_EQUAL, X32_BIT, if_false=1),
        deny(errno.ENOSYS),
    ]
    for numbers in DENIED.values():
        program += [instruction(JUMP_EQUAL, numbers[column], if_false=1), deny(errno.EPERM)]
    # clone3 has its flags in memory, where BPF cannot look; libc falls back to clone.
    program += [instruction(JUMP_EQUAL, clone3, if_false=1), deny(errno.ENOSYS)]
    program += [
        instruction(JUMP_EQUAL, clone, if_false=4),
        load_argument,
        instruction(JUMP_SET, NEW_NAMESPACES, if_false=1),
        deny(errno.EPERM),
        allow,
        instruction(JUMP_EQUAL, socket, if_false=5),
        load_argument,
        instruction(JUMP_EQUAL, AF_UNIX, if_true=3),
        instruction(JUMP_EQUAL, AF_INET, if_true=2),
        instruction(JUMP_EQUAL, AF_INET6, if_true=1),
        deny(errno.EAFNOSUPPORT),
        allow,
    ]
    return b"".join(program)
