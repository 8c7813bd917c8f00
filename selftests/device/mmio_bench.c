// SPDX-License-Identifier: GPL-2.0
/* The bench for instructions that touch MMIO: see mmio_bench.h. */
#include <errno.h>
#include <string.h>

#include "mmio_bench.h"

DECLARE_GUEST(mmio_faults);

#define FAULT_GPA (CODE_GPA + PAGE_SIZE) /* the handlers */
#define GDT_GPA	  (CODE_GPA + 2 * PAGE_SIZE)
#define IDT_GPA	  (CODE_GPA + 3 * PAGE_SIZE)
#define DATA_PT	  (TABLE_GPA + 3 * PAGE_SIZE)

/* Page tables of 4 KiB for the data slot; a GDT and an IDT whose vectors say who they are. */
static int set_up_faults(struct bench *bench)
{
	uint64_t *pt = bench_low(bench, DATA_PT), *idt = bench_low(bench, IDT_GPA);
	uint64_t *pd = bench_low(bench, TABLE_GPA + 2 * PAGE_SIZE);
	uint64_t *gdt = bench_low(bench, GDT_GPA);
	struct kvm_sregs sregs;
	unsigned int i;
	int ret;

	for (i = 0; i < 512; i++)
		pt[i] = (DATA_GPA + i * PAGE_SIZE) | PTE;
	pd[DATA_GPA >> 21] = DATA_PT | PTE;
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	for (i = 0; i < FAULT_VECTORS; i++) {
		uint64_t stub = FAULT_GPA + i * FAULT_STUB;

		idt[2 * i] = (stub & 0xffff) | 8 << 16 | 0x8eULL << 40 | stub >> 16 << 48;
		idt[2 * i + 1] = 0;
	}
	memcpy(bench_low(bench, FAULT_GPA), guest_mmio_faults,
	       guest_mmio_faults_end - guest_mmio_faults);
	ret = kvm_ioctl(bench->vcpu[0].fd, KVM_GET_SREGS, &sregs);
	sregs.gdt.base = GDT_GPA;
	sregs.gdt.limit = 3 * 8 - 1;
	sregs.idt.base = IDT_GPA;
	sregs.idt.limit = FAULT_VECTORS * 16 - 1;
	sregs.cr0 |= 1 << 16; /* WP */
	return ret ?: kvm_ioctl(bench->vcpu[0].fd, KVM_SET_SREGS, &sregs);
}

int mmio_open(struct mmio_bench *mmio)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = DATA_PAGES };
	int ret;

	mmio->rng.state = bench_seed();
	ret = bench_open(&mmio->bench, &config);
	if (ret)
		return ret;
	mmio->run = mmio->bench.vcpu[0].run;
	ret = bench_start_mode(&mmio->bench, 0, CPU_LONG);
	return ret ?: set_up_faults(&mmio->bench);
}

void mmio_close(struct mmio_bench *mmio)
{
	bench_close(&mmio->bench);
}

uint8_t *mmio_ram(struct mmio_bench *mmio, uint64_t offset)
{
	return (uint8_t *)bench_page(&mmio->bench, 0) + offset;
}

void mmio_put_code(struct mmio_bench *mmio, const void *bytes, size_t len)
{
	static const uint8_t end[] = { 0xe6, PORT_DONE, 0xf4 };
	uint8_t *code = bench_low(&mmio->bench, CODE_GPA);

	memcpy(code, bytes, len);
	memcpy(code + len, end, sizeof(end));
}

/* Userspace's answer to one exit: the device is memory. False: it is not there. */
static bool answer(struct mmio_bench *mmio)
{
	uint64_t at = mmio->run->mmio.phys_addr - MMIO_GPA;
	uint32_t len = mmio->run->mmio.len;

	if (at >= DEVICE_BYTES || len > DEVICE_BYTES - at ||
	    at / PAGE_SIZE != (at + len - 1) / PAGE_SIZE)
		return false;
	if (mmio->run->mmio.is_write) {
		memcpy(mmio->device + at, mmio->run->mmio.data, len);
		mmio->written++;
	} else {
		memcpy(mmio->run->mmio.data, mmio->device + at, len);
		mmio->read++;
		mmio->read_after_write |= mmio->written;
	}
	mmio->widths |= len;
	return true;
}

int mmio_set_regs(struct mmio_bench *mmio, const struct kvm_regs *regs)
{
	struct kvm_regs start = *regs;

	start.rip = CODE_GPA;
	return kvm_ioctl(mmio->bench.vcpu[0].fd, KVM_SET_REGS, &start);
}

int mmio_get_regs(struct mmio_bench *mmio, struct kvm_regs *regs)
{
	return kvm_ioctl(mmio->bench.vcpu[0].fd, KVM_GET_REGS, regs);
}

int mmio_go_on(struct mmio_bench *mmio)
{
	int ret;

	do
		ret = bench_run(&mmio->bench, 0);
	while (ret == KVM_EXIT_MMIO && answer(mmio));
	return ret;
}

int mmio_run_code(struct mmio_bench *mmio, struct kvm_regs *regs)
{
	int ret = mmio_set_regs(mmio, regs);

	mmio->read = 0;
	mmio->written = 0;
	mmio->widths = 0;
	mmio->read_after_write = false;
	ret = ret ?: mmio_go_on(mmio);
	if (ret != KVM_EXIT_IO || !bench_done(&mmio->bench, 0))
		return ret ?: -EPROTO;
	return mmio_get_regs(mmio, regs);
}

int mmio_fault_vector(struct mmio_bench *mmio, struct kvm_regs *regs, uint64_t **frame)
{
	if (mmio->run->exit_reason != KVM_EXIT_IO || mmio->run->io.port < PORT_FAULT ||
	    mmio->run->io.port >= PORT_FAULT + FAULT_VECTORS || mmio_get_regs(mmio, regs))
		return -1;
	*frame = bench_low(&mmio->bench, regs->rsp);
	return mmio->run->io.port - PORT_FAULT;
}

void mmio_fill(struct mmio_bench *mmio, uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = rng_next(&mmio->rng) >> 32;
}

struct kvm_regs mmio_random_regs(struct mmio_bench *mmio)
{
	struct kvm_regs regs;

	mmio_fill(mmio, (void *)&regs, sizeof(regs));
	regs.rsp = STACK_GPA + PAGE_SIZE;
	regs.rflags = FLAGS_BASE | (regs.rflags & (FLAGS_ALU | FLAG_DF));
	return regs;
}

uint64_t *mmio_data_pte(struct mmio_bench *mmio, unsigned int page)
{
	return (uint64_t *)bench_low(&mmio->bench, DATA_PT) + page;
}

/* The guest's translation of it is as old as the vCPU: a new CR3 drops it. */
int mmio_flush(struct mmio_bench *mmio)
{
	struct kvm_sregs sregs;
	int ret = kvm_ioctl(mmio->bench.vcpu[0].fd, KVM_GET_SREGS, &sregs);

	return ret ?: kvm_ioctl(mmio->bench.vcpu[0].fd, KVM_SET_SREGS, &sregs);
}
