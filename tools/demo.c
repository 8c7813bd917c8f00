// SPDX-License-Identifier: GPL-2.0
/* A VM with the demo guest: memory, threads, and the check from outside. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../selftests/guest/demo.h"
#include "../selftests/guest/guest.h"
#include "demo.h"
#include "say.h"

DECLARE_GUEST(demo);

#define EPOCH_WRITES 2048
#define STOPPED	     1 /* result of a thread that was told to end */

static uint64_t *mailbox(const struct demo *demo, unsigned int i)
{
	return (uint64_t *)((char *)demo->mem.host + MBOX_GPA + i * PAGE_SIZE);
}

static uint64_t field(const struct demo *demo, unsigned int i, unsigned int offset)
{
	return __atomic_load_n(&mailbox(demo, i)[offset / 8], __ATOMIC_RELAXED);
}

static int open_vm(struct demo *demo, const struct demo_options *options)
{
	int ret = vm_open(&demo->vm);

	if (ret)
		return say_open_failed(ret);
	if (!options->ring_entries)
		return 0;
	ret = vm_enable_ring(&demo->vm, options->ring_entries);
	if (ret)
		return say_errno(ret,
				 "%s refuses a dirty ring of %u entries: "
				 "give --ring a power of two between 1024 and 65536",
				 kvm_device(), options->ring_entries);
	return 0;
}

static int open_vcpus(struct demo *demo, unsigned int vcpus)
{
	int ret;

	for (; demo->vcpus < vcpus; demo->vcpus++) {
		ret = vcpu_open(&demo->vm, &demo->vcpu[demo->vcpus], demo->vcpus);
		if (ret)
			return say_errno(ret, "cannot create vCPU %u: try fewer with --vcpus",
					 demo->vcpus);
	}
	return 0;
}

int demo_open(struct demo *demo, const struct demo_options *options)
{
	int ret;

	memset(demo, 0, sizeof(*demo));
	if (open_vm(demo, options)) {
		vm_close(&demo->vm);
		return -1;
	}
	demo->mem = (struct mem){ .size = options->mem_mib << 20 };
	demo->mem.host = mem_alloc(demo->mem.size);
	if (!demo->mem.host) {
		ret = say("there is no memory for a guest of %llu MiB: give a smaller --mem",
			  (unsigned long long)options->mem_mib);
		goto fail;
	}
	ret = vm_set_mem(&demo->vm, &demo->mem);
	if (ret) {
		ret = say_errno(ret, "cannot give the VM its %llu MiB of memory: see dmesg",
				(unsigned long long)options->mem_mib);
		goto fail;
	}
	ret = open_vcpus(demo, options->vcpus);
	if (!ret)
		return 0;
fail:
	demo_close(demo);
	return ret;
}

void demo_close(struct demo *demo)
{
	while (demo->vcpus)
		vcpu_close(&demo->vcpu[--demo->vcpus]);
	vm_close(&demo->vm);
	mem_free(demo->mem.host, demo->mem.size);
	demo->mem.host = NULL;
}

static void load_mailbox(struct demo *demo, unsigned int i, const struct demo_options *options)
{
	uint64_t pages = (demo->mem.size - DEMO_DATA_GPA) / PAGE_SIZE / demo->vcpus;
	uint64_t *box = mailbox(demo, i);

	box[DEMO_BASE / 8] = DEMO_DATA_GPA + i * pages * PAGE_SIZE;
	box[DEMO_PAGES / 8] = pages;
	box[DEMO_HOT / 8] = options->hot < pages ? options->hot : pages;
	box[DEMO_RNG / 8] = (options->seed + i) * DEMO_MUL;
	box[DEMO_EPOCH / 8] = EPOCH_WRITES;
	box[DEMO_MASK / 8] = options->sweep - 1;
	box[DEMO_MARK / 8] = 0x76656c6c756d + i;
}

int demo_load(struct demo *demo, const struct demo_options *options)
{
	char *low = demo->mem.host;
	struct kvm_regs regs;
	unsigned int i;
	int ret = 0;

	memcpy(low + CODE_GPA, guest_demo, guest_demo_end - guest_demo);
	cpu_page_tables(low + TABLE_GPA, TABLE_GPA);
	for (i = 0; i < demo->vcpus && !ret; i++) {
		load_mailbox(demo, i, options);
		ret = cpu_set_supported_cpuid(&demo->vm, &demo->vcpu[i]);
		ret = ret ?: cpu_start(&demo->vcpu[i], CPU_LONG, CODE_GPA, TABLE_GPA);
		ret = ret ?: kvm_ioctl(demo->vcpu[i].fd, KVM_GET_REGS, &regs);
		regs.rbp = MBOX_GPA + i * PAGE_SIZE;
		regs.rsp = STACK_GPA + (i + 1) * PAGE_SIZE;
		ret = ret ?: kvm_ioctl(demo->vcpu[i].fd, KVM_SET_REGS, &regs);
	}
	return ret ? say_errno(ret, "cannot set up the guest's CPU: see dmesg") : 0;
}

static uint32_t *io_data(struct kvm_run *run)
{
	return (uint32_t *)((char *)run + run->io.data_offset);
}

static int on_exit_demo(struct worker *worker, struct kvm_run *run)
{
	struct demo *demo = worker->data;
	unsigned int i = worker->index;

	if (run->exit_reason != KVM_EXIT_IO || run->io.size != 4)
		return -EPROTO;
	switch (run->io.port) {
	case DEMO_PORT_COUNT:
		demo->reported[i] = *io_data(run);
		demo->epochs[i]++;
		return 0;
	case DEMO_PORT_CMD:
		*io_data(run) = demo->command[i];
		return 0;
	case DEMO_PORT_BAD:
		demo->faults[i] = *io_data(run);
		return STOPPED;
	}
	return -EPROTO;
}

int demo_start(struct demo *demo)
{
	unsigned int i;
	int ret;

	for (i = 0; i < demo->vcpus; i++) {
		demo->faults[i] = -1;
		demo->worker[i] = (struct worker){
			.vcpu = &demo->vcpu[i],
			.index = i,
			.on_exit = on_exit_demo,
			.data = demo,
		};
		ret = worker_start(&demo->worker[i]);
		if (ret)
			return say_errno(ret, "cannot start a thread for vCPU %u", i);
	}
	return 0;
}

int demo_failed(struct demo *demo)
{
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++) {
		struct worker *worker = &demo->worker[i];

		if (!worker_finished(worker) || worker->result == STOPPED)
			continue;
		return say_errno(worker->result,
				 "vCPU %u of the guest stopped by itself (exit reason %u): "
				 "that is a bug, see dmesg",
				 i, worker->vcpu->run->exit_reason);
	}
	return 0;
}

int demo_wait_epochs(struct demo *demo, uint64_t epochs)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t target[DEMO_VCPUS];
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++)
		target[i] = demo->epochs[i] + epochs;
	for (i = 0; i < demo->vcpus; i++) {
		while (demo->epochs[i] < target[i]) {
			if (demo_failed(demo))
				return -1;
			nanosleep(&pause, NULL);
		}
	}
	return 0;
}

void demo_pause(struct demo *demo)
{
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++)
		worker_pause(&demo->worker[i]);
}

void demo_resume(struct demo *demo)
{
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++)
		worker_resume(&demo->worker[i]);
}

void demo_stop(struct demo *demo)
{
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++)
		worker_stop(&demo->worker[i]);
}

int demo_self_check(struct demo *demo)
{
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++)
		demo->command[i] = DEMO_CMD_CHECK;
	for (i = 0; i < demo->vcpus; i++)
		worker_join(&demo->worker[i]);
	return demo_failed(demo);
}

int demo_set_logging(struct demo *demo, bool on)
{
	int ret;

	demo->mem.flags = on ? KVM_MEM_LOG_DIRTY_PAGES : 0;
	ret = vm_set_mem(&demo->vm, &demo->mem);
	return ret ? say_errno(ret, "cannot turn dirty logging %s: see dmesg", on ? "on" : "off") :
		     0;
}

static uint64_t checksum(uint64_t gpa, uint64_t generation)
{
	uint64_t sum = (gpa + generation) * DEMO_MUL;

	return sum ^ sum >> 29;
}

static uint64_t check_range(const struct demo *demo, unsigned int i)
{
	uint64_t gpa = field(demo, i, DEMO_BASE), pages = field(demo, i, DEMO_PAGES);
	uint64_t generations = 0, sums = 0, faults = 0;

	if (gpa + pages * PAGE_SIZE > demo->mem.size)
		return 1;
	for (; pages--; gpa += PAGE_SIZE) {
		const uint64_t *page = (uint64_t *)((char *)demo->mem.host + gpa);
		uint64_t generation = page[PAGE_GEN / 8], sum = checksum(gpa, generation);

		generations += generation;
		sums += sum;
		faults += page[PAGE_SUM / 8] != sum ||
			  page[PAGE_PAYLOAD / 8 + (generation & 255)] != sum;
	}
	faults += generations != field(demo, i, DEMO_COUNTER);
	faults += sums != field(demo, i, DEMO_TOTAL);
	return faults;
}

uint64_t demo_check_memory(const struct demo *demo)
{
	uint64_t faults = 0;
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++)
		faults += check_range(demo, i);
	return faults;
}

uint64_t demo_counter(const struct demo *demo)
{
	uint64_t counter = 0;
	unsigned int i;

	for (i = 0; i < demo->vcpus; i++)
		counter += field(demo, i, DEMO_COUNTER);
	return counter;
}
