// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU with fewer physical-address bits than the CPU: L0 takes page faults to tell the
 * guest of bits that are reserved for it alone, and L1 wishes some of its L2's, too. L1
 * has those that it wishes, with the error code that a CPU of that width gives, and L2
 * all others: while L0 wants none, from the first on, and from the middle of L2's run on
 * (the vCPU's CPUID is set anew while L2 is active).
 *
 * With allow_smaller_maxphyaddr=1. KVM 6.1 fails from the middle of L2's run on: it sets
 * the bit for #PF, and the mask and match of L1's stay, so that L1 lacks faults that it
 * wishes; with an EPT of L1's, KVM_RUN ends with EFAULT and a WARN in the log.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "l1.h"

#define BITS		36
#define BEYOND		(1ULL << BITS)
#define CR0_WP		(1ULL << 16)

/* Entries of L2's page tables, 2M each, that lead to its first 2M, and what is wrong with each. */
#define VA(entry)	((uint64_t)(entry) << 21)
#define READ_ONLY	300
#define RESERVED	301
#define RESERVED_READ_ONLY 302
#define NOT_PRESENT	303
#define PTE_RO		0xe1ULL		/* present, accessed, dirty, 2M */
#define PTE_RW		0xe3ULL

/* L2's own handler: in a page of the data slot a GDT and an IDT. */
#define TABLES_PAGE	7
#define GDT_GPA		(DATA_GPA + TABLES_PAGE * PAGE_SIZE)
#define IDT_GPA		(GDT_GPA + 0x100)
#define IDT_BYTES	(15 * 16)
#define HANDLER_AT	16
#define F_GDTR_LIMIT	0x4810
#define F_IDTR_LIMIT	0x4812
#define F_GDTR_BASE	0x6816
#define F_IDTR_BASE	0x6818

#define NO_FAULT	0xdead

FIXTURE(nested_narrow)
{
	struct l1 l1;
};

enum width { WIDE, NARROW, NARROWED };	/* the last: while L2 runs */

FIXTURE_VARIANT(nested_narrow)
{
	enum width width;
	bool ept;
};

FIXTURE_VARIANT_ADD(nested_narrow, wide) { WIDE, false };
FIXTURE_VARIANT_ADD(nested_narrow, narrow) { NARROW, false };
FIXTURE_VARIANT_ADD(nested_narrow, narrow_with_ept) { NARROW, true };
FIXTURE_VARIANT_ADD(nested_narrow, narrowed) { NARROWED, false };
FIXTURE_VARIANT_ADD(nested_narrow, narrowed_with_ept) { NARROWED, true };

static struct bench_config config(bool narrow)
{
	return (struct bench_config){
		.vcpus = 1, .data_pages = 8, .maxphyaddr = narrow ? BITS : 0,
	};
}

FIXTURE_SETUP(nested_narrow)
{
	const struct bench_config own = config(variant->width == NARROW);

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(&self->l1, &own));
	if (kvm_cap(self->l1.bench.vm.fd, KVM_CAP_SMALLER_MAXPHYADDR) <= 0)
		SKIP_IN_SETUP("it needs allow_smaller_maxphyaddr=1");
	if (variant->ept && !self->l1.ept)
		SKIP_IN_SETUP("L1 has no EPT here");
}

FIXTURE_TEARDOWN(nested_narrow)
{
	l1_close(&self->l1);
}

/* out %al, $PORT_TICK; then the access; vmcall. At HANDLER_AT: pop %rax; vmcall. */
enum access { LOAD, STORE, JUMP };

static void make_code(uint8_t *code, enum access access)
{
	static const uint8_t insn[][2] = {
		[LOAD] = { 0x8b, 0x0b },	/* mov (%rbx), %ecx */
		[STORE] = { 0x89, 0x0b },	/* mov %ecx, (%rbx) */
		[JUMP] = { 0xff, 0xe3 },	/* jmp *%rbx */
	};
	static const uint8_t rest[] = { 0x0f, 0x01, 0xc1 }, handler[] = { 0x58, 0x0f, 0x01, 0xc1 };

	code[0] = 0xe6;
	code[1] = PORT_TICK;
	memcpy(code + 2, insn[access], 2);
	memcpy(code + 4, rest, sizeof(rest));
	memcpy(code + HANDLER_AT, handler, sizeof(handler));
}

static const struct {
	unsigned int entry;
	enum access access;
	int wide, narrow;	/* error codes; -1: it is not for this test */
} accesses[] = {
	{ NOT_PRESENT, LOAD, 0, 0 },
	{ NOT_PRESENT, STORE, 2, 2 },
	{ READ_ONLY, STORE, 3, 3 },
	{ READ_ONLY, LOAD, NO_FAULT, NO_FAULT },
	{ RESERVED, LOAD, -1, 9 },
	{ RESERVED, STORE, -1, 0xb },
	{ RESERVED, JUMP, -1, 9 },
	{ RESERVED_READ_ONLY, LOAD, -1, 9 },
	{ RESERVED_READ_ONLY, STORE, -1, 0xb },
};

/* None; all; L0's own; what it is not; some that are neither. */
static const struct wish {
	uint32_t bit, mask, match;
} wishes[] = {
	{ 0, 0, 0 }, { 1, 0, 0 }, { 1, 9, 1 }, { 0, 9, 1 }, { 1, 9, 9 }, { 1, 1, 0 }, { 0, 1, 1 },
	{ 1, 2, 2 }, { 0, 2, 2 }, { 1, 0, 1 }, { 0, 0, 1 }, { 1, 8, 8 }, { 1, 0xb, 3 },
};

static bool is_wanted(const struct wish *wish, int error)
{
	return wish->bit == ((error & wish->mask) == wish->match);
}

static void make_tables(struct l1 *l1)
{
	uint64_t *pd = bench_low(&l1->bench, l1_l2_cr3(0) + 2 * PAGE_SIZE);
	uint64_t *gdt = (void *)bench_page(&l1->bench, TABLES_PAGE), *idt = gdt + 0x100 / 8;

	pd[READ_ONLY] = PTE_RO;
	pd[RESERVED] = BEYOND | PTE_RW;
	pd[RESERVED_READ_ONLY] = BEYOND | PTE_RO;
	pd[NOT_PRESENT] = BEYOND;
	gdt[1] = 0x00af9b000000ffffULL;
	/* A gate for #PF in CS 8. */
	memset(idt, 0, IDT_BYTES);
	idt[28] = ((L1_L2_CODE_GPA + HANDLER_AT) & 0xffff) | 8 << 16 | 0x8e00ULL << 32 |
		  (uint64_t)((L1_L2_CODE_GPA + HANDLER_AT) >> 16) << 48;
}

/* L2 is made, enters and gets to its OUT; what it will do then is in the VMCS. */
static unsigned int begin(struct __test_metadata *_metadata, struct l1 *l1, const struct wish *wish,
			  unsigned int i, bool ept)
{
	struct kvm_sregs sregs;
	uint8_t code[HANDLER_AT + 4] = { 0 };
	unsigned int reason;

	make_code(code, accesses[i].access);
	l1_vmcs(l1, 0, code, sizeof(code));
	make_tables(l1);
	if (ept)
		l1_use_ept(l1);
	ASSERT_EQ(0, kvm_ioctl(l1->bench.vcpu[0].fd, KVM_GET_SREGS, &sregs));
	l1_write(l1, F_GUEST_CR0, sregs.cr0 | CR0_WP);
	l1_write(l1, F_GUEST_CS, 8);
	l1_write(l1, F_GDTR_BASE, GDT_GPA);
	l1_write(l1, F_GDTR_LIMIT, 15);
	l1_write(l1, F_IDTR_BASE, IDT_GPA);
	l1_write(l1, F_IDTR_LIMIT, IDT_BYTES - 1);
	l1_write(l1, F_EXCEPTIONS, wish->bit << 14);
	l1_write(l1, F_PF_MASK, wish->mask);
	l1_write(l1, F_PF_MATCH, wish->match);
	*l1_reg(l1, L1_RAX) = NO_FAULT;
	*l1_reg(l1, L1_RBX) = VA(accesses[i].entry);
	l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_read(l1, F_REASON);
	l1_read(l1, F_INTR_ERROR);
	l1_read(l1, F_QUALIFICATION);
	EXPECT_EQ(KVM_EXIT_IO, l1_run(l1));
	EXPECT_EQ(PORT_TICK, l1->bench.vcpu[0].run->io.port);
	return reason;
}

/* All is in a new VM, and while L2 is active its vCPU gets fewer address bits. */
static void narrow(struct __test_metadata *_metadata, struct l1 *l1)
{
	const struct bench_config wide = config(false);
	static struct cpu_state state;
	static struct l1_nested_state nested;
	struct bench to;

	/* The OUT is over. */
	l1->bench.vcpu[0].run->immediate_exit = 1;
	ASSERT_EQ(-EINTR, bench_run(&l1->bench, 0));
	ASSERT_EQ(0, bench_open(&to, &wide));
	memcpy(to.low.host, l1->bench.low.host, to.low.size);
	memcpy(to.data.host, l1->bench.data.host, to.data.size);
	ASSERT_EQ(0, cpu_save(&l1->bench.vm, &l1->bench.vcpu[0], &state));
	ASSERT_EQ(0, l1_get_nested_state(&l1->bench.vcpu[0], &nested));
	ASSERT_TRUE(nested.head.flags & KVM_STATE_NESTED_GUEST_MODE);
	ASSERT_GE(1, cpu_restore(&to.vcpu[0], &state));
	ASSERT_EQ(0, l1_set_nested_state(&to.vcpu[0], &nested));
	ASSERT_EQ(0, vcpu_set_maxphyaddr(&to.vcpu[0], BITS));
	bench_close(&l1->bench);
	l1->bench = to;
}

TEST_F(nested_narrow, page_faults)
{
	struct l1 *l1 = &self->l1;
	unsigned int w, i, reason;

	for (w = 0; w < ARRAY_SIZE(wishes); w++) {
		for (i = 0; i < ARRAY_SIZE(accesses); i++) {
			int error = variant->width == WIDE ? accesses[i].wide : accesses[i].narrow;

			/* There is a new VM for each. */
			if (variant->width == NARROWED && accesses[i].access != STORE)
				continue;
			if (error < 0)
				continue;
			reason = begin(_metadata, l1, &wishes[w], i, variant->ept);
			if (variant->width == NARROWED)
				narrow(_metadata, l1);
			ASSERT_EQ(0, l1_go_on(l1));
			if (error != NO_FAULT && is_wanted(&wishes[w], error)) {
				EXPECT_EQ(R_EXCEPTION, l1_value(l1, reason));
				EXPECT_EQ(error, l1_value(l1, reason + 1));
				EXPECT_EQ(VA(accesses[i].entry), l1_value(l1, reason + 2));
			} else {
				EXPECT_EQ(R_VMCALL, l1_value(l1, reason));
				EXPECT_EQ(error, *l1_reg(l1, L1_RAX));
			}
			ASSERT_TRUE(_metadata->passed)
				TH_LOG("wish %u of bit %u mask %x match %x, access %u", w,
				       wishes[w].bit, wishes[w].mask, wishes[w].match, i);
			if (variant->width == NARROWED) {
				const struct bench_config wide = config(false);

				l1_close(l1);
				ASSERT_EQ(0, l1_open(l1, &wide));
			}
		}
	}
}

TEST_HARNESS_MAIN
