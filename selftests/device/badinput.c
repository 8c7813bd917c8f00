// SPDX-License-Identifier: GPL-2.0
/*
 * Promise 3, safe: bad pointers, unknown numbers, wrong order, descriptors where
 * they do not belong, owners that vanish. Each gives the errno that api.rst names,
 * and the module works on.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "../guest/exits.h"
#include "vm.h"

DECLARE_GUEST(spin);

#define BAD_POINTER	((void *)8)
#define KERNEL_POINTER	((void *)0xffff888000001000UL)

FIXTURE(badinput)
{
	struct bench bench;
};

FIXTURE_SETUP(badinput)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = 64 };

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, hlt);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
}

FIXTURE_TEARDOWN(badinput)
{
	bench_close(&self->bench);
}

TEST_F(badinput, bad_pointers)
{
	static const unsigned long device[] = {
		KVM_GET_SUPPORTED_CPUID, KVM_GET_MSR_INDEX_LIST,
	};
	static const unsigned long vm[] = {
		KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, KVM_ENABLE_CAP,
	};
	static const unsigned long vcpu[] = {
		KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_MSRS,
		KVM_SET_MSRS, KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_GET_FPU, KVM_SET_FPU,
		KVM_SET_MP_STATE, KVM_GET_MP_STATE, KVM_SET_SIGNAL_MASK,
	};
	struct bench *b = &self->bench;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(device); i++) {
		EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.dev, device[i], BAD_POINTER));
		EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.dev, device[i], KERNEL_POINTER));
	}
	for (i = 0; i < ARRAY_SIZE(vm); i++) {
		EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.fd, vm[i], BAD_POINTER)) TH_LOG("%zu", i);
		EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.fd, vm[i], KERNEL_POINTER)) TH_LOG("%zu", i);
	}
	for (i = 0; i < ARRAY_SIZE(vcpu); i++) {
		EXPECT_EQ(-EFAULT, kvm_ioctl(b->vcpu[0].fd, vcpu[i], BAD_POINTER)) TH_LOG("%zu", i);
		EXPECT_EQ(-EFAULT, kvm_ioctl(b->vcpu[0].fd, vcpu[i], KERNEL_POINTER)) {
			TH_LOG("%zu", i);
		}
	}
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(b, 0));
}

/* Numbers that nobody has given out, and those of another kind of descriptor. */
TEST_F(badinput, unknown_ioctls)
{
	struct bench *b = &self->bench;
	unsigned int nr;

	for (nr = 0x10; nr < 0x40; nr++) {
		EXPECT_EQ(-ENOTTY, kvm_ioctl(b->vm.fd, _IO(KVMIO, nr), NULL)) TH_LOG("%#x", nr);
		EXPECT_GT(0, kvm_ioctl(b->vm.dev, _IO(KVMIO, nr), NULL)) TH_LOG("%#x", nr);
	}
	EXPECT_EQ(-ENOTTY, kvm_ioctl(b->vm.fd, KVM_RUN, NULL));
	EXPECT_EQ(-ENOTTY, kvm_ioctl(b->vm.fd, _IO('x', 1), NULL));
	EXPECT_EQ(-ENOTTY, kvm_ioctl(b->vm.fd, 0xffffffff, NULL));
	EXPECT_GT(0, kvm_ioctl(b->vm.dev, KVM_RUN, NULL));
	EXPECT_GT(0, kvm_ioctl(b->vm.dev, KVM_CREATE_VCPU, NULL));
	EXPECT_GT(0, kvm_ioctl(b->vcpu[0].fd, KVM_CREATE_VM, NULL));
	EXPECT_GT(0, kvm_ioctl(b->vcpu[0].fd, KVM_CREATE_VCPU, NULL));
	EXPECT_GT(0, kvm_ioctl(b->vcpu[0].fd, 0xffffffff, NULL));
	/* Arguments where there are none. */
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vcpu[0].fd, KVM_RUN, (void *)1));
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.dev, KVM_GET_API_VERSION, (void *)1));
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.dev, KVM_GET_VCPU_MMAP_SIZE, (void *)1));
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.dev, KVM_CREATE_VM, (void *)77));
}

TEST_F(badinput, capabilities)
{
	struct kvm_enable_cap cap = { .cap = 9999 };
	struct bench *b = &self->bench;

	EXPECT_EQ(0, kvm_cap(b->vm.dev, 9999));
	EXPECT_EQ(0, kvm_cap(b->vm.fd, 9999));
	EXPECT_EQ(0, kvm_cap(b->vm.fd, 0xffffffff));
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, KVM_ENABLE_CAP, &cap));
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vcpu[0].fd, KVM_ENABLE_CAP, &cap));
	cap.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2;
	cap.flags = 1;
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, KVM_ENABLE_CAP, &cap)) TH_LOG("unknown flag");
}

TEST_F(badinput, vcpu_ids)
{
	struct bench *b = &self->bench;
	struct vcpu vcpu;
	int max = kvm_cap(b->vm.fd, KVM_CAP_MAX_VCPU_ID);

	if (max <= 0)
		max = kvm_cap(b->vm.fd, KVM_CAP_MAX_VCPUS);
	ASSERT_LT(0, max);
	EXPECT_EQ(-EEXIST, vcpu_open(&b->vm, &vcpu, 0));
	EXPECT_EQ(-EINVAL, vcpu_open(&b->vm, &vcpu, max));
	EXPECT_EQ(-EINVAL, vcpu_open(&b->vm, &vcpu, 0x7fffffff));
	EXPECT_EQ(-EINVAL, vcpu_open(&b->vm, &vcpu, 0xffffffff));
	EXPECT_EQ(0, vcpu_open(&b->vm, &vcpu, 1));
	vcpu_close(&vcpu);
	/* The VM keeps a vCPU whose descriptor is closed. */
	EXPECT_EQ(-EEXIST, vcpu_open(&b->vm, &vcpu, 1));
	/* Nor can the boot CPU be one that there cannot be; KVM of 6.1 says it comes too late. */
	EXPECT_EQ(-EBUSY, kvm_ioctl(b->vm.fd, KVM_SET_BOOT_CPU_ID, (void *)1));
	if (!kvm_device_is_kvm())
		EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, KVM_SET_BOOT_CPU_ID, (void *)(long)max));
}

TEST_F(badinput, run_before_set_up)
{
	struct vcpu vcpu;
	struct vm vm;
	int ret;

	/* No memory, no CPUID, state as after reset: it ends, somehow, for its owner. */
	ASSERT_EQ(0, vm_open(&vm));
	ASSERT_EQ(0, vcpu_open(&vm, &vcpu, 0));
	ret = vcpu_run(&vcpu);
	if (!ret) {
		EXPECT_TRUE(vcpu.run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
			    vcpu.run->exit_reason == KVM_EXIT_SHUTDOWN ||
			    vcpu.run->exit_reason == KVM_EXIT_FAIL_ENTRY ||
			    vcpu.run->exit_reason == KVM_EXIT_MMIO) {
			TH_LOG("exit reason %u", vcpu.run->exit_reason);
		}
	}
	vcpu_close(&vcpu);
	vm_close(&vm);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_F(badinput, dirty_log_of_the_wrong_slot)
{
	struct bench *b = &self->bench;
	uint64_t bitmap[4];
	struct kvm_dirty_log log = { .slot = b->data.id, .dirty_bitmap = bitmap };

	EXPECT_EQ(-ENOENT, kvm_ioctl(b->vm.fd, KVM_GET_DIRTY_LOG, &log)) TH_LOG("not logged");
	log.slot = 33;
	EXPECT_EQ(-ENOENT, kvm_ioctl(b->vm.fd, KVM_GET_DIRTY_LOG, &log)) TH_LOG("no such slot");
	log.slot = 0x7fff;
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, KVM_GET_DIRTY_LOG, &log)) TH_LOG("no slot number");
	log.slot = b->data.id | 7 << 16;
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, KVM_GET_DIRTY_LOG, &log)) TH_LOG("address space");
	ASSERT_EQ(0, bench_set_flags(b, KVM_MEM_LOG_DIRTY_PAGES));
	log.slot = b->data.id;
	log.dirty_bitmap = BAD_POINTER;
	EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.fd, KVM_GET_DIRTY_LOG, &log));
	log.dirty_bitmap = bitmap;
	EXPECT_EQ(0, kvm_ioctl(b->vm.fd, KVM_GET_DIRTY_LOG, &log));
}

TEST_F(badinput, counts_that_are_too_large)
{
	struct bench *b = &self->bench;
	struct kvm_msrs msrs = { .nmsrs = 0xffffffff };
	struct kvm_cpuid2 cpuid = { .nent = 0xffffffff };
	struct kvm_msr_list list = { .nmsrs = 0 };
	struct {
		struct kvm_signal_mask head;
		uint8_t set[128];
	} mask = { .head.len = 128 };

	EXPECT_EQ(-E2BIG, kvm_ioctl(b->vcpu[0].fd, KVM_GET_MSRS, &msrs));
	EXPECT_EQ(-E2BIG, kvm_ioctl(b->vcpu[0].fd, KVM_SET_MSRS, &msrs));
	EXPECT_EQ(-E2BIG, kvm_ioctl(b->vcpu[0].fd, KVM_SET_CPUID2, &cpuid));
	cpuid.nent = 0;
	EXPECT_EQ(-E2BIG, kvm_ioctl(b->vm.dev, KVM_GET_SUPPORTED_CPUID, &cpuid));
	EXPECT_EQ(-E2BIG, kvm_ioctl(b->vcpu[0].fd, KVM_GET_CPUID2, &cpuid));
	/* It says how many there are. */
	EXPECT_EQ(-E2BIG, kvm_ioctl(b->vm.dev, KVM_GET_MSR_INDEX_LIST, &list));
	EXPECT_LT(0, list.nmsrs);
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vcpu[0].fd, KVM_SET_SIGNAL_MASK, &mask));
	mask.head.len = 0;
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vcpu[0].fd, KVM_SET_SIGNAL_MASK, &mask));
	EXPECT_EQ(0, kvm_ioctl(b->vcpu[0].fd, KVM_SET_SIGNAL_MASK, NULL));
}

TEST_F(badinput, mappings)
{
	struct bench *b = &self->bench;
	int fd = b->vcpu[0].fd;
	char *map;

	/* A VM and the device have nothing to map. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, b->vm.fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, b->vm.dev, 0));
	/* Larger than it is: the pages beyond are refused now or at the first touch. */
	map = mmap(NULL, 64 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED) {
		pid_t child = fork();
		int status;

		if (!child) {
			signal(SIGSEGV, SIG_DFL);
			signal(SIGBUS, SIG_DFL);
			_exit(*(volatile char *)(map + 63 * PAGE_SIZE) & 0);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("page 63 of a vCPU can be read");
		munmap(map, 64 * PAGE_SIZE);
	}
	/* The page is unmapped, and the vCPU runs all the same. */
	ASSERT_EQ(0, munmap(b->vcpu[0].run, b->vcpu[0].run_bytes));
	EXPECT_EQ(0, vcpu_run(&b->vcpu[0]));
	b->vcpu[0].run = mmap(NULL, b->vcpu[0].run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			      fd, 0);
	ASSERT_NE(MAP_FAILED, b->vcpu[0].run);
	EXPECT_EQ(KVM_EXIT_HLT, b->vcpu[0].run->exit_reason);
}

/* Mappings of a vCPU whose descriptors are closed are memory still, and no more. */
TEST(mappings_outlive_the_descriptors)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = 64, .ring_entries = 2048,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	struct bench bench;
	struct vcpu *vcpu = &bench.vcpu[0];
	uint32_t i;

	ASSERT_EQ(0, bench_open(&bench, &config));
	close(vcpu->fd);
	vcpu->fd = -1;
	vm_close(&bench.vm);
	for (i = 0; i < vcpu->ring_entries; i++)
		vcpu->ring[i].flags = KVM_DIRTY_GFN_F_RESET;
	memset(vcpu->run, 0xff, vcpu->run_bytes);
	EXPECT_EQ(0xff, vcpu->run->immediate_exit);
	EXPECT_EQ(KVM_DIRTY_GFN_F_RESET, vcpu->ring[2047].flags);
	bench_close(&bench);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

/* The guest of this bench spins until its thread is told to end. */
static void *spin_main(void *arg)
{
	struct bench *bench = arg;

	return (void *)(intptr_t)bench_run(bench, 0);
}

TEST_F(badinput, vm_closed_while_a_vcpu_runs)
{
	struct bench *b = &self->bench;
	volatile uint32_t *turns = &bench_mbox(b, 0)[EXITS_RESULT / 4];
	pthread_t thread;
	uint32_t before;

	BENCH_LOAD(b, spin);
	ASSERT_EQ(0, bench_start(b, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, spin_main, b));
	usleep(3000);
	vm_close(&b->vm);
	before = *turns;
	usleep(10000);
	EXPECT_LT(before, *turns) TH_LOG("the vCPU holds its VM; the guest should go on");
	EXPECT_EQ(-EINTR, (int)(intptr_t)thread_interrupt(thread));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

/* Two threads cannot run one vCPU at once: the second waits its turn. */
TEST_F(badinput, one_vcpu_two_threads)
{
	struct bench *b = &self->bench;
	pthread_t thread[2];
	void *result[2];
	int i;

	BENCH_LOAD(b, spin);
	ASSERT_EQ(0, bench_start(b, 0));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, spin_main, b));
	usleep(10000);
	/* Either may have the vCPU, and the other hears no signal before it has it. */
	threads_interrupt(thread, 2, result);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-EINTR, (int)(intptr_t)result[i]);
}

/* A VM belongs to the mm that made it. */
TEST_F(badinput, child_may_not_use_the_vm)
{
	struct bench *b = &self->bench;
	pid_t child = fork();
	int status;

	if (!child) {
		struct kvm_regs regs;
		int bad = 0;

		bad |= (kvm_ioctl(b->vcpu[0].fd, KVM_RUN, NULL) != -EIO) << 0;
		bad |= (kvm_ioctl(b->vcpu[0].fd, KVM_GET_REGS, &regs) != -EIO) << 1;
		bad |= (vm_set_mem(&b->vm, &b->data) != -EIO) << 2;
		bad |= (kvm_ioctl(b->vm.fd, KVM_CREATE_VCPU, (void *)5) != -EIO) << 3;
		_exit(bad);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("calls that were not refused: %#x", WEXITSTATUS(status));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(b, 0));
}

/* The parent goes; a child still has the descriptors, and closes them last. */
TEST(owner_dies_child_holds_descriptors)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = 64 };
	int pipes[2], status;
	char byte;
	pid_t owner;

	ASSERT_EQ(0, pipe(pipes));
	owner = fork();
	if (!owner) {
		struct bench bench;

		if (bench_open(&bench, &config))
			_exit(1);
		BENCH_LOAD(&bench, hlt);
		if (bench_start(&bench, 0) || bench_run(&bench, 0) != KVM_EXIT_HLT)
			_exit(2);
		if (!fork()) {
			usleep(20000);
			_exit(0);
		}
		_exit(0);
	}
	close(pipes[1]);
	ASSERT_EQ(owner, waitpid(owner, &status, 0));
	EXPECT_EQ(0, status);
	/* The pipe ends when the grandchild is gone. */
	EXPECT_EQ(0, read(pipes[0], &byte, 1));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST(killed_in_the_middle_of_a_run)
{
	const struct bench_config config = {
		.vcpus = 2, .data_pages = 256, .ring_entries = 2048,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	int i, status;
	pid_t child;

	for (i = 0; i < 5; i++) {
		child = fork();
		if (!child) {
			struct runner runner[2];
			struct bench bench;

			if (bench_open(&bench, &config))
				_exit(1);
			BENCH_LOAD(&bench, random);
			bench_random(&bench, 0, 1);
			bench_random(&bench, 1, 2);
			if (bench_start(&bench, 0) || bench_start(&bench, 1) ||
			    runner_start(&runner[0], &bench, 0) ||
			    runner_start(&runner[1], &bench, 1))
				_exit(2);
			for (;;)
				pause();
		}
		usleep(20000 + 3000 * i);
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("exit status %d", WEXITSTATUS(status));
	}
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_F(badinput, module_is_held_by_a_vm)
{
	if (kvm_device_is_kvm())
		SKIP(return, "unloading is tried with vellum only");
	EXPECT_EQ(-1, syscall(SYS_delete_module, "vellum", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

/* Made and thrown away at each stage, many times; nothing may pile up. */
TEST(half_built_vms)
{
	struct bench_config config = { };
	struct bench bench;
	int i;

	for (i = 0; i < 36; i++) {
		config.vcpus = i % 4;
		config.data_pages = i % 3 * 64;
		config.ring_entries = i % 2 * 2048;
		config.data_flags = i & 4 ? KVM_MEM_LOG_DIRTY_PAGES : 0;
		ASSERT_EQ(0, bench_open(&bench, &config)) TH_LOG("VM %d", i);
		bench_close(&bench);
	}
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_HARNESS_MAIN
