// SPDX-License-Identifier: GPL-2.0
/*
 * Rows of a guest hypervisor (L1) and its guest (L2): the way from L2 to L1 and back,
 * an exit of L2's that is not for L1, L2's first touch of a page, and its logged write.
 * L1 is the device tests' (l1.h), with an EPT of 4K pages for the slot. What is in a row
 * beside its name: L1's way through its script, 30 instructions or so an entry, and L2's
 * own loop, four or five; both modules have them.
 */
#include <errno.h>

#include "../device/l1.h"
#include "bench.h"

DECLARE_GUEST(bench_l2_vmcall);
DECLARE_GUEST(bench_l2_rdmsr);
DECLARE_GUEST(bench_l2_write);

#define MSR_TSC_ADJUST	0x3b	/* both modules have its reads exit, whatever L1 wants */
#define VMCALL_BYTES	3

/* L2 @i runs this code, with L1's EPT, and has done so to its first VMCALL. */
static void open_l2(struct l1 *l1, unsigned int i, const char *code, const char *end)
{
	unsigned int enter;

	l1_vmcs(l1, i, code, end - code);
	l1_use_ept(l1);
	l1_write(l1, F_MSR_BITMAP, L1_BITMAP_GPA);
	l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, C_PROC_HLT | C_PROC_SECONDARY |
					 C_PROC_MSR_BITMAP));
	l1_write(l1, F_GUEST_RFLAGS, 0x202);
	enter = l1_add(l1, L1_ENTER, 0, 0);
	check(l1_run(l1));
	check(l1_result(l1, enter) == L1_EXITED ? 0 : -EIO);
}

#define OPEN_L2(l1, i, name) open_l2(l1, i, guest_##name, guest_##name##_end)

static void timed_script(struct l1 *l1, unsigned int row)
{
	uint64_t from = begin(row);

	check(l1_run(l1));
	end(from);
}

/* Each entry ended in an exit; and the last one by a VMCALL. */
static void vmcalls(struct l1 *l1)
{
	unsigned int i, enter[L2_EXITS], reason[L2_EXITS];

	bench_row = L2_VMCALL;
	OPEN_L2(l1, 0, bench_l2_vmcall);
	for (i = 0; i < L2_EXITS; i++)
		enter[i] = l1_add(l1, L1_ENTER, 1, 0);
	timed_script(l1, L2_VMCALL);
	for (i = 0; i < L2_EXITS; i++)
		check(l1_result(l1, enter[i]) == L1_EXITED ? 0 : -EIO);

	for (i = 0; i < L2_EXITS; i++) {
		l1_add(l1, L1_ENTER, 1, 0);
		reason[i] = l1_read(l1, F_REASON);
		l1_read(l1, F_GUEST_RIP);
		l1_read(l1, F_INSN_LEN);
		l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA + VMCALL_BYTES);
	}
	timed_script(l1, L2_HANDLED);
	for (i = 0; i < L2_EXITS; i++)
		check(l1_value(l1, reason[i]) == R_VMCALL ? 0 : -EIO);
}

/* L2 @i begins anew, with these registers; then the script is to be run. */
static unsigned int begin_l2(struct l1 *l1, unsigned int i, uint64_t rbx, uint64_t rcx)
{
	*l1_reg(l1, L1_RBX) = rbx;
	*l1_reg(l1, L1_RCX) = rcx;
	l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA + i * 256);
	l1_add(l1, L1_ENTER, 1, 0);
	return l1_read(l1, F_REASON);
}

/* It does all that it is to do, and says so. */
static void timed_l2(struct l1 *l1, unsigned int i, uint64_t rbx, uint64_t rcx, unsigned int row)
{
	unsigned int reason = begin_l2(l1, i, rbx, rcx);

	timed_script(l1, row);
	check(l1_value(l1, reason) == R_VMCALL ? 0 : -EIO);
}

static void rdmsrs(struct l1 *l1)
{
	bench_row = L2_RDMSR;
	*l1_reg(l1, L1_RBX) = 1;
	*l1_reg(l1, L1_RCX) = MSR_TSC_ADJUST;
	OPEN_L2(l1, 1, bench_l2_rdmsr);
	timed_l2(l1, 1, L2_EXITS, MSR_TSC_ADJUST, L2_RDMSR);
}

/* All pages are in the log, and armed again. */
static void harvest(struct l1 *l1)
{
	uint64_t bits[L2_PAGES / 64];
	unsigned int i;

	check(vm_get_log(&l1->bench.vm, &l1->bench.data, bits));
	for (i = 0; i < L2_PAGES / 64; i++)
		check(bits[i] == ~0ULL ? 0 : -EIO);
}

/* The host has touched the pages, and L1 maps them. Then they are written under the log. */
static void writes(struct l1 *l1)
{
	uint64_t bits[L2_PAGES / 64];

	bench_row = L2_FIRST_TOUCH;
	*l1_reg(l1, L1_RBX) = DATA_GPA;
	*l1_reg(l1, L1_RCX) = 1;
	OPEN_L2(l1, 2, bench_l2_write);
	timed_l2(l1, 2, DATA_GPA, L2_PAGES, L2_FIRST_TOUCH);
	bench_row = L2_WRITE;
	check(bench_set_flags(&l1->bench, KVM_MEM_LOG_DIRTY_PAGES));
	check(vm_get_log(&l1->bench.vm, &l1->bench.data, bits));
	begin_l2(l1, 2, DATA_GPA, L2_PAGES);
	check(l1_run(l1));
	harvest(l1);
	timed_l2(l1, 2, DATA_GPA, L2_PAGES, L2_WRITE);
	harvest(l1);
}

void nested(void)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = L2_PAGES };
	struct l1 l1;

	bench_row = L2_VMCALL;
	check(l1_is_offered() ? 0 : -ENODEV);
	check(l1_open(&l1, &config));
	check(l1.ept ? 0 : -ENODEV);
	vmcalls(&l1);
	rdmsrs(&l1);
	writes(&l1);
	l1_close(&l1);
}
