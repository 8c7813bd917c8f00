// SPDX-License-Identifier: GPL-2.0
/* The bench for interrupts: see intr.h. */
#include <errno.h>
#include <string.h>

#include "intr.h"

#define STEPS_GPA(i)   (SCRIPT_GPA + (i) * 0x4000)
#define RESULTS_GPA(i) (INTR_RESULT_GPA + (i) * 0x1000)

#define CODE_SELECTOR 8

/* One 64-bit interrupt gate for each stub. */
static void write_idt(struct bench *bench)
{
	uint32_t *idt = bench_low(bench, INTR_IDT_GPA);
	uint32_t v, stub;

	for (v = 0; v < 256; v++) {
		stub = CODE_GPA + INTR_STUB + v * 16;
		idt[v * 4] = CODE_SELECTOR << 16 | stub;
		idt[v * 4 + 1] = 0x8e00;
		idt[v * 4 + 2] = 0;
		idt[v * 4 + 3] = 0;
	}
}

static void write_tables(struct bench *bench)
{
	uint64_t *gdt = bench_low(bench, INTR_GDT_GPA);
	uint64_t *pdpt = bench_low(bench, TABLE_GPA + 0x1000);
	uint64_t *apic = bench_low(bench, INTR_APIC_TABLE);

	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	write_idt(bench);
	pdpt[3] = INTR_APIC_TABLE | 0x23;
	apic[0xfee00000 >> 21 & 511] = 0xfee00000 | 0xe3;
}

static int start(struct bench *bench, unsigned int i)
{
	struct kvm_sregs sregs;
	int ret = bench_start_mode(bench, i, CPU_LONG);

	write_tables(bench);
	ret = ret ?: kvm_ioctl(bench->vcpu[i].fd, KVM_GET_SREGS, &sregs);
	sregs.gdt.base = INTR_GDT_GPA;
	sregs.gdt.limit = 0x17;
	sregs.idt.base = INTR_IDT_GPA;
	sregs.idt.limit = 0xfff;
	ret = ret ?: kvm_ioctl(bench->vcpu[i].fd, KVM_SET_SREGS, &sregs);
	*(volatile uint64_t *)&bench_mbox(bench, i)[INTR_RESULTS / 4] = RESULTS_GPA(i);
	return ret;
}

/* KVM_GET_SUPPORTED_CPUID never has the TSC deadline: a capability says it works. */
static int set_cpuid(struct bench *bench, unsigned int i)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} cpuid = { .head.nent = CPUID_MAX };
	uint32_t n;
	int ret = kvm_ioctl(bench->vm.dev, KVM_GET_SUPPORTED_CPUID, &cpuid);

	for (n = 0; !ret && n < cpuid.head.nent; n++)
		if (cpuid.entries[n].function == 1)
			cpuid.entries[n].ecx |= 1 << 24;
	return ret ?: kvm_ioctl(bench->vcpu[i].fd, KVM_SET_CPUID2, &cpuid);
}

int intr_open(struct bench *bench, struct bench_config config)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	unsigned int i;
	int ret = bench_open(bench, &config);

	if (ret)
		return ret;
	BENCH_LOAD(bench, intr);
	memcpy(bench_low(bench, INTR_START_GPA), guest_start, guest_start_end - guest_start);
	for (i = 0; !ret && i < config.vcpus; i++) {
		ret = set_cpuid(bench, i);
		ret = ret ?: start(bench, i);
		ret = ret ?: kvm_ioctl(bench->vcpu[i].fd, KVM_SET_MP_STATE, &mp);
	}
	if (ret)
		bench_close(bench);
	return ret;
}

void intr_steps(struct bench *bench, unsigned int i, const struct step *steps, unsigned int n)
{
	struct step *to = bench_low(bench, STEPS_GPA(i));

	memcpy(to, steps, n * sizeof(*steps));
	to[n] = (struct step){ STEP_DONE, 0, 0, 0 };
	*(volatile uint64_t *)&bench_mbox(bench, i)[INTR_STEP / 4] = STEPS_GPA(i);
}

bool intr_run(struct bench *bench, unsigned int i)
{
	int ret;

	do {
		ret = bench_run(bench, i);
	} while (ret == -EINTR || ret == -EAGAIN);
	return ret == KVM_EXIT_IO && (bench_done(bench, i) || intr_ticked(bench, i));
}

bool intr_ticked(struct bench *bench, unsigned int i)
{
	const struct kvm_run *run = bench->vcpu[i].run;

	return run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_TICK;
}

uint32_t intr_count(struct bench *bench, unsigned int i, unsigned int vector)
{
	return bench_mbox(bench, i)[INTR_COUNTS / 4 + vector];
}

uint32_t intr_result(struct bench *bench, unsigned int i, unsigned int n)
{
	return ((volatile uint32_t *)bench_low(bench, RESULTS_GPA(i)))[n];
}

int intr_log(struct bench *bench, unsigned int i, unsigned int n)
{
	volatile uint32_t *mbox = bench_mbox(bench, i);

	if (n >= mbox[INTR_LOGGED / 4] || n >= INTR_LOG_MAX)
		return -1;
	return ((volatile uint8_t *)mbox)[INTR_LOG + n];
}
