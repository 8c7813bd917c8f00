// SPDX-License-Identifier: GPL-2.0
/*
 * Exceptions of L2's and who wants them. L0 itself wants no page fault; what it wants
 * of others changes while L2 is active, and must leave L1's wishes as they are, page
 * faults with their mask and match (SDM 3C 25.6.3) among them.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "l1.h"

FIXTURE(nested_fault)
{
	struct l1 l1;
};

FIXTURE_SETUP(nested_fault)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = 8 };

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(&self->l1, &config));
}

FIXTURE_TEARDOWN(nested_fault)
{
	l1_close(&self->l1);
}

/* Code of an L2: it tells L0 that it is active, and then faults. */
#define OUT_TICK	0xe6, PORT_TICK
static const uint8_t load[] = { OUT_TICK, 0x8b, 0x03, 0x0f, 0x01, 0xc1 };
static const uint8_t store[] = { OUT_TICK, 0x89, 0x03, 0x0f, 0x01, 0xc1 };
static const uint8_t int3[] = { OUT_TICK, 0xcc, 0x0f, 0x01, 0xc1 };

/* What userspace may ask of L0 meanwhile. */
static const uint32_t debugs[] = {
	0,
	KVM_GUESTDBG_ENABLE,
	KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
	KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
};

static void set_debug(struct __test_metadata *_metadata, struct l1 *l1, uint32_t control)
{
	struct kvm_guest_debug debug = { .control = control };

	ASSERT_EQ(0, kvm_ioctl(l1->bench.vcpu[0].fd, KVM_SET_GUEST_DEBUG, &debug));
}

struct wish {
	uint32_t bitmap, mask, match;
};

/* L2 is entered with L1's wish, L0's changes at its OUT; what it did then, as L1 sees it. */
static uint64_t fault(struct __test_metadata *_metadata, struct l1 *l1, const struct wish *wish,
		      const uint8_t *code, unsigned int bytes, uint32_t debug)
{
	unsigned int reason;

	l1_vmcs(l1, 0, code, bytes);
	l1_write(l1, F_EXCEPTIONS, wish->bitmap);
	l1_write(l1, F_PF_MASK, wish->mask);
	l1_write(l1, F_PF_MATCH, wish->match);
	l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_read(l1, F_REASON);
	EXPECT_EQ(KVM_EXIT_IO, l1_run(l1));
	EXPECT_EQ(PORT_TICK, l1->bench.vcpu[0].run->io.port);
	set_debug(_metadata, l1, debug);
	EXPECT_EQ(0, l1_go_on(l1));
	set_debug(_metadata, l1, 0);
	return l1_value(l1, reason);
}

TEST_F(nested_fault, page_faults_while_l0_changes_its_mind)
{
	struct l1 *l1 = &self->l1;
	unsigned int bits, d, write;

	*l1_reg(l1, L1_RBX) = 1ULL << 32;
	for (bits = 0; bits < 32; bits++) {
		const struct wish wish = { bits & 1 ? 1 << 14 : 0, bits >> 1 & 3, bits >> 3 };

		d = bits % ARRAY_SIZE(debugs);
		for (write = 0; write < 2; write++) {
			bool wanted = !wish.bitmap != ((2 * write & wish.mask) == wish.match);

			ASSERT_EQ(wanted ? R_EXCEPTION : R_TRIPLE_FAULT,
				  fault(_metadata, l1, &wish, write ? store : load, sizeof(load),
					debugs[(d + write) % ARRAY_SIZE(debugs)]))
				TH_LOG("bitmap %x, mask %u, match %u, write %u", wish.bitmap,
				       wish.mask, wish.match, write);
		}
	}
}

/*
 * What L0 wants comes to userspace first, and is not L1's; what it does not want is.
 * KVM 6.1 gives L1 the #BP of INT3, whatever userspace wants.
 */
TEST_F(nested_fault, breakpoints_that_l0_wants_too)
{
	const struct wish wish = { .bitmap = 1 << 3 };
	struct l1 *l1 = &self->l1;
	unsigned int reason;

	ASSERT_EQ(R_EXCEPTION, fault(_metadata, l1, &wish, int3, sizeof(int3), 0));
	l1_vmcs(l1, 0, int3, sizeof(int3));
	l1_write(l1, F_EXCEPTIONS, wish.bitmap);
	l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_read(l1, F_REASON);
	ASSERT_EQ(KVM_EXIT_IO, l1_run(l1));
	set_debug(_metadata, l1, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
	ASSERT_EQ(KVM_EXIT_DEBUG, l1_go_on(l1));
	/* The debugger steps aside, and the instruction runs again. */
	set_debug(_metadata, l1, 0);
	ASSERT_EQ(0, l1_go_on(l1));
	ASSERT_EQ(R_EXCEPTION, l1_value(l1, reason));
}

/* mov %rbx, %rsi; mov %rcx, %rdi; movsb; vmcall */
static const uint8_t movsb[] = { 0x48, 0x89, 0xde, 0x48, 0x89, 0xcf, 0xa4, 0x0f, 0x01, 0xc1 };
#define AT_MOVSB	6
#define NO_MEMORY_GPA	0x800000	/* L1's EPT maps it, and no slot does */

/*
 * L0 carries out L2's MOVS from what is no memory. L1's EPT does not
 * let it write where that goes: L1 has the exit that the CPU would make, and mends it.
 * KVM 6.1 reads first: KVM_EXIT_MMIO comes before L1's exit there.
 */
TEST_F(nested_fault, accesses_that_l0_makes)
{
	const uint64_t to = DATA_GPA + 7 * PAGE_SIZE + 8;
	struct l1 *l1 = &self->l1;
	unsigned int reason, qualification, physical, linear, rip, after;
	struct kvm_run *run = l1->bench.vcpu[0].run;
	uint64_t *entry, was;

	if (!l1->ept)
		SKIP(return, "L1 has no EPT here");
	l1_vmcs(l1, 0, movsb, sizeof(movsb));
	l1_use_ept(l1);
	entry = bench_low(&l1->bench, L1_EPT_PTE(7));
	was = *entry;
	*entry = 0;
	*l1_reg(l1, L1_RBX) = NO_MEMORY_GPA;
	*l1_reg(l1, L1_RCX) = to;
	l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_read(l1, F_REASON);
	qualification = l1_read(l1, F_QUALIFICATION);
	physical = l1_read(l1, F_GUEST_PHYSICAL);
	linear = l1_read(l1, F_GUEST_LINEAR);
	rip = l1_read(l1, F_GUEST_RIP);
	/* L1 has used RSI and RDI. */
	l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
	l1_add(l1, L1_STORE, L1_EPT_PTE(7), was);
	l1_add(l1, L1_ENTER, 1, 0);
	after = l1_read(l1, F_REASON);
	/* The first entry has come to its end when L2, entered again, gets to its access. */
	ASSERT_EQ(KVM_EXIT_MMIO, l1_run(l1));
	ASSERT_EQ(R_EPT_VIOLATION, l1_value(l1, reason));
	ASSERT_EQ(0x182, l1_value(l1, qualification));
	ASSERT_EQ(to, l1_value(l1, physical));
	ASSERT_EQ(to, l1_value(l1, linear));
	ASSERT_EQ(L1_L2_CODE_GPA + AT_MOVSB, l1_value(l1, rip));
	ASSERT_EQ(NO_MEMORY_GPA, run->mmio.phys_addr);
	ASSERT_EQ(0, run->mmio.is_write);
	run->mmio.data[0] = 0x5c;
	ASSERT_EQ(0, l1_go_on(l1));
	ASSERT_EQ(R_VMCALL, l1_value(l1, after));
	ASSERT_EQ(0x5c, bench_page(&l1->bench, 7)[2] & 0xff);
}

TEST_HARNESS_MAIN
