// SPDX-License-Identifier: GPL-2.0
/* vellum run: a flat guest image, its port output, and how it ended in words. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/cpu.h"
#include "say.h"

#define PORT_E9	      0xe9
#define PORT_COM1     0x3f8
#define PORT_COM1_LSR 0x3fd
#define LSR_EMPTY     0x60 /* transmitter ready for the next byte */

struct guest {
	struct vm vm;
	struct mem mem;
	struct vcpu vcpu;
};

static int load(const char *path, struct guest *guest, uint64_t at)
{
	uint64_t room = guest->mem.size - at, got = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return say_errno(-errno, "%s cannot be opened: give the path of a flat image",
				 path);
	while ((n = read(fd, (char *)guest->mem.host + at + got, room - got)) > 0)
		got += n;
	close(fd);
	if (n < 0)
		return say_errno(-errno, "%s cannot be read: give the path of a flat image", path);
	if (got == room)
		return say("%s does not fit: give a larger --mem", path);
	return 0;
}

static int open_guest(struct guest *guest, uint64_t mem_mib)
{
	int ret = vm_open(&guest->vm);

	if (ret)
		return say_open_failed(ret);
	guest->vcpu.fd = -1;
	guest->mem = (struct mem){ .size = mem_mib << 20 };
	guest->mem.host = mem_alloc(guest->mem.size);
	if (!guest->mem.host)
		return say("there is no memory for the guest: give a smaller --mem");
	ret = vm_set_mem(&guest->vm, &guest->mem);
	ret = ret ?: vcpu_open(&guest->vm, &guest->vcpu, 0);
	ret = ret ?: cpu_set_supported_cpuid(&guest->vm, &guest->vcpu);
	return ret ? say_errno(ret, "cannot set up the VM: see dmesg") : 0;
}

static void close_guest(struct guest *guest)
{
	if (guest->vcpu.fd >= 0)
		vcpu_close(&guest->vcpu);
	vm_close(&guest->vm);
	mem_free(guest->mem.host, guest->mem.size);
}

static void do_io(struct kvm_run *run)
{
	char *data = (char *)run + run->io.data_offset;
	bool out = run->io.direction == KVM_EXIT_IO_OUT;
	size_t bytes = (size_t)run->io.size * run->io.count;

	if (out && (run->io.port == PORT_E9 || run->io.port == PORT_COM1))
		fwrite(data, 1, bytes, stdout);
	else if (!out)
		memset(data, run->io.port == PORT_COM1_LSR ? LSR_EMPTY : 0xff, bytes);
}

static int failed_entry(const struct kvm_run *run)
{
	return say("the CPU refused to enter the guest (hardware reason %#llx): "
		   "check the state that the image starts in",
		   (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
}

/* Returns 1 to go on, else the exit status. */
static int on_exit_run(struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		do_io(run);
		return 1;
	case KVM_EXIT_HLT:
		fflush(stdout);
		fprintf(stderr, "The guest halted.\n");
		return EXIT_GOOD;
	case KVM_EXIT_MMIO:
		say("the guest %s address %#llx, where it has no memory: give a larger --mem",
		    run->mmio.is_write ? "wrote to" : "read from",
		    (unsigned long long)run->mmio.phys_addr);
		return EXIT_BAD;
	case KVM_EXIT_SHUTDOWN:
		say("the guest shut down with a triple fault: check its descriptor tables");
		return EXIT_BAD;
	case KVM_EXIT_FAIL_ENTRY:
		failed_entry(run);
		return EXIT_BAD;
	case KVM_EXIT_INTERNAL_ERROR:
		say("the guest did what cannot be emulated (internal error %u): see dmesg",
		    run->internal.suberror);
		return EXIT_BAD;
	}
	say("the guest ended with exit reason %u, which this command does not handle: "
	    "see linux/kvm.h",
	    run->exit_reason);
	return EXIT_BAD;
}

static int run_guest(struct guest *guest)
{
	int ret, status;

	do {
		ret = vcpu_run(&guest->vcpu);
		if (ret == -EINTR || ret == -EAGAIN)
			continue;
		if (ret < 0) {
			say_errno(ret, "the guest cannot run: see dmesg");
			return EXIT_BAD;
		}
		status = on_exit_run(guest->vcpu.run);
	} while (ret < 0 || status == 1);
	return status;
}

/* 32-bit, flat, no paging; the stack grows down from the end of memory. */
static int start(struct guest *guest, uint64_t at)
{
	struct kvm_regs regs;
	int ret = cpu_start(&guest->vcpu, CPU_FLAT32, at, 0);

	ret = ret ?: kvm_ioctl(guest->vcpu.fd, KVM_GET_REGS, &regs);
	regs.rsp = guest->mem.size;
	ret = ret ?: kvm_ioctl(guest->vcpu.fd, KVM_SET_REGS, &regs);
	return ret ? say_errno(ret, "cannot set up the guest's CPU: see dmesg") : 0;
}

int cmd_run(int argc, char **argv)
{
	uint64_t mem = 16, at = 0x1000, status = EXIT_BAD;
	const struct option_spec specs[] = {
		{ "mem", &mem, 1, 1024, 0 },
		{ "at", &at, 0, 1 << 30, 0 },
		{},
	};
	int others = options_parse(argc, argv, specs);
	struct guest guest = { .vm = { .dev = -1, .fd = -1 }, .vcpu = { .fd = -1 } };

	if (others < 0)
		return EXIT_USAGE;
	if (others != 1) {
		say("run takes one image: vellum run IMAGE");
		return EXIT_USAGE;
	}
	if (at >= mem << 20) {
		say("--at %#llx is not in memory: give a larger --mem", (unsigned long long)at);
		return EXIT_USAGE;
	}
	if (!open_guest(&guest, mem) && !load(argv[0], &guest, at) && !start(&guest, at))
		status = run_guest(&guest);
	close_guest(&guest);
	return status;
}
