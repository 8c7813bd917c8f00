// SPDX-License-Identifier: GPL-2.0
/*
 * Promise 3, safe, and invariant 13, for a guest that is a hypervisor (L1) itself and
 * runs guests of its own (L2): each instruction of VMX answers as the SDM says, L1 has
 * the exits that it asked for and finds its L2s as they were, and what L2 writes is
 * reported under L1's address.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "l1.h"

FIXTURE(nested)
{
	struct l1 l1;
};

#define DATA_PAGES	64

FIXTURE_SETUP(nested)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = DATA_PAGES };

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(&self->l1, &config));
}

FIXTURE_TEARDOWN(nested)
{
	l1_close(&self->l1);
}

/* Code of an L2. */
static const uint8_t vmcall[] = { 0x48, 0xff, 0xc0, 0x0f, 0x01, 0xc1, 0xeb, 0xf8 }; /* inc %rax */
static const uint8_t hlt[] = { 0xf4, 0x0f, 0x01, 0xc1, 0xeb, 0xfa };	/* hlt; vmcall; again */
static const uint8_t load[] = { 0x8b, 0x03, 0x0f, 0x01, 0xc1 };		/* mov (%rbx), %eax */
static const uint8_t store[] = { 0x89, 0x03, 0x0f, 0x01, 0xc1 };	/* mov %eax, (%rbx) */

TEST_F(nested, exits_and_resumes)
{
	struct l1 *l1 = &self->l1;
	unsigned int enter, reason, again;

	l1_vmcs(l1, 0, vmcall, sizeof(vmcall));
	enter = l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_add(l1, L1_VMREAD_M, F_REASON, 0);
	/* Behind the VMCALL. */
	l1_add(l1, L1_VMWRITE_M, F_GUEST_RIP, L1_L2_CODE_GPA + 6);
	again = l1_add(l1, L1_ENTER, 1, 0);
	*l1_reg(l1, L1_RAX) = 40;
	ASSERT_EQ(0, l1_run(l1));
	ASSERT_EQ(L1_EXITED, l1_result(l1, enter));
	ASSERT_EQ(R_VMCALL, l1_value(l1, reason));
	ASSERT_EQ(L1_EXITED, l1_result(l1, again));
	ASSERT_EQ(42, *l1_reg(l1, L1_RAX));
}

/* One thing wrong at a time: VMfailValid with this number, or an exit with this reason. */
TEST_F(nested, entries_that_fail)
{
	static const struct {
		uint32_t field;
		uint64_t value;
		uint32_t error, reason;
	} rows[] = {
		{ F_PIN, 0, 7, 0 },
		{ F_PIN, 0xffffffff, 7, 0 },
		{ F_EXIT, 0, 7, 0 },
		{ F_ENTRY_INFO, 0x80000100, 7, 0 },
		{ F_HOST_TR, 0, 8, 0 },
		{ F_HOST_CS, 3, 8, 0 },
		{ F_HOST_CR3, 1ULL << 63, 8, 0 },
		{ F_GUEST_RFLAGS, 0, 0, R_INVALID_STATE },
		{ F_GUEST_CS_AR, 0xa093, 0, R_INVALID_STATE },
		{ F_GUEST_CR3, 1ULL << 63, 0, R_INVALID_STATE },
		{ F_LINK, 1, 0, R_INVALID_STATE },
		{ F_INTERRUPTIBILITY, 3, 0, R_INVALID_STATE },
		/* The last row: KVM leaves it to the CPU, and the emulated one does not look. */
		{ F_GUEST_RIP, 1ULL << 62, 0, R_INVALID_STATE },
	};
	const unsigned int count = ARRAY_SIZE(rows) - kvm_device_is_kvm();
	struct l1 *l1 = &self->l1;
	unsigned int i, enter, error, reason, good, good_reason;

	for (i = 0; i < count; i++) {
		l1_vmcs(l1, 0, vmcall, sizeof(vmcall));
		l1_write(l1, rows[i].field, rows[i].value);
		enter = l1_add(l1, L1_ENTER, 0, 0);
		error = l1_read(l1, F_ERROR);
		reason = l1_read(l1, F_REASON);
		ASSERT_EQ(0, l1_run(l1));
		if (rows[i].error) {
			ASSERT_TRUE(l1_failed_valid(l1, enter)) TH_LOG("row %u", i);
			ASSERT_EQ(rows[i].error, l1_value(l1, error)) TH_LOG("row %u", i);
		} else {
			ASSERT_EQ(L1_EXITED, l1_result(l1, enter)) TH_LOG("row %u", i);
			ASSERT_EQ(rows[i].reason, l1_value(l1, reason)) TH_LOG("row %u", i);
		}
		/* And L1 goes on as if nothing had been. */
		l1_vmcs(l1, 1, vmcall, sizeof(vmcall));
		good = l1_add(l1, L1_ENTER, 0, 0);
		good_reason = l1_read(l1, F_REASON);
		ASSERT_EQ(0, l1_run(l1));
		ASSERT_EQ(L1_EXITED, l1_result(l1, good)) TH_LOG("row %u", i);
		ASSERT_EQ(R_VMCALL, l1_value(l1, good_reason)) TH_LOG("row %u", i);
	}
}

TEST_F(nested, instruction_errors)
{
	struct l1 *l1 = &self->l1;
	struct {
		unsigned int command, error;
		uint32_t want;
	} rows[9];
	unsigned int n = 0, i;

#define ROW(number, what, a, b)						\
	do {								\
		rows[n].command = l1_add(l1, what, a, b);		\
		rows[n].error = l1_read(l1, F_ERROR);			\
		rows[n++].want = number;				\
	} while (0)
	l1_vmcs(l1, 0, vmcall, sizeof(vmcall));
	ROW(5, L1_ENTER, 1, 0);				/* VMRESUME of a clear VMCS */
	ROW(2, L1_VMCLEAR, 0x123, 0);
	ROW(3, L1_VMCLEAR, L1_VMXON_GPA, 0);
	ROW(9, L1_VMPTRLD, 1ULL << 62, 0);
	ROW(10, L1_VMPTRLD, L1_VMXON_GPA, 0);
	ROW(11, L1_VMPTRLD, L1_L2_TABLE_GPA, 0);	/* another revision */
	ROW(12, L1_VMREAD, 0x6ffe, 0);
	ROW(12, L1_VMWRITE, 0x10000 | F_GUEST_RIP, 0);
	ROW(15, L1_VMXON, L1_VMXON_GPA, 0);
#undef ROW
	ASSERT_EQ(0, l1_run(l1));
	for (i = 0; i < n; i++) {
		ASSERT_TRUE(l1_failed_valid(l1, rows[i].command)) TH_LOG("row %u", i);
		ASSERT_EQ(rows[i].want, l1_value(l1, rows[i].error)) TH_LOG("row %u", i);
	}
}

/* How L2 falls asleep, and what wakes it. */
struct sleep {
	const char *name;
	bool by_state;	/* it is entered in HLT, and does not execute it */
	bool nmi;
};

static void muen_round(struct __test_metadata *_metadata, struct l1 *l1, const struct sleep *sleep)
{
	struct kvm_interrupt irq = { .irq = 0x42 };
	unsigned int i, enter, reason, cr3, rip;

	for (i = 0; i < L1_L2S; i++) {
		l1_add(l1, L1_VMPTRLD, L1_VMCS_GPA + i * PAGE_SIZE, 0);
		l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA + i * 256 + sleep->by_state);
		l1_write(l1, F_ACTIVITY, sleep->by_state);
		enter = l1_add(l1, L1_ENTER, 1, 0);
		reason = l1_read(l1, F_REASON);
		cr3 = l1_read(l1, F_GUEST_CR3);
		rip = l1_read(l1, F_GUEST_RIP);
		ASSERT_EQ(KVM_EXIT_HLT, l1_run(l1)) TH_LOG("%s, L2 %u", sleep->name, i);
		ASSERT_EQ(0, kvm_ioctl(l1->bench.vcpu[0].fd,
				       sleep->nmi ? KVM_NMI : KVM_INTERRUPT,
				       sleep->nmi ? NULL : &irq));
		ASSERT_EQ(0, l1_go_on(l1)) TH_LOG("%s, L2 %u", sleep->name, i);
		ASSERT_EQ(L1_EXITED, l1_result(l1, enter)) TH_LOG("%s, L2 %u", sleep->name, i);
		ASSERT_EQ(sleep->nmi ? R_EXCEPTION : R_INTERRUPT, l1_value(l1, reason));
		ASSERT_EQ(l1_l2_cr3(i), l1_value(l1, cr3)) TH_LOG("%s, L2 %u", sleep->name, i);
		ASSERT_EQ(L1_L2_CODE_GPA + i * 256 + 1, l1_value(l1, rip));
	}
}

/*
 * Several L2s whose CR3 never changes, which sleep in HLT and are woken by an event that
 * leads straight to an exit to L1: each has its own CR3 then.
 */
TEST_F(nested, static_cr3s_asleep)
{
	static const struct sleep sleeps[] = {
		{ "HLT, interrupt", false, false },
		{ "HLT, NMI", false, true },
		{ "activity state, interrupt", true, false },
		{ "activity state, NMI", true, true },
	};
	struct l1 *l1 = &self->l1;
	unsigned int i, round, enter[L1_L2S];

	for (i = 0; i < L1_L2S; i++) {
		l1_vmcs(l1, i, hlt, sizeof(hlt));
		l1_write(l1, F_PIN, l1_controls(l1, L1_PIN, C_PIN_INTERRUPTS | C_PIN_NMIS));
		l1_write(l1, F_EXIT, l1_controls(l1, L1_EXIT, C_EXIT_64 | C_EXIT_ACK));
		l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, 0));
		l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA + i * 256 + 1);
		l1_write(l1, F_GUEST_RFLAGS, 0x202);
		enter[i] = l1_add(l1, L1_ENTER, 0, 0);
		ASSERT_EQ(0, l1_run(l1));
		ASSERT_EQ(L1_EXITED, l1_result(l1, enter[i]));
	}
	for (round = 0; round < 8; round++) {
		const struct sleep *sleep = &sleeps[round % 4];

		/* KVM 6.1 gives an interrupt of KVM_INTERRUPT's to L2, whatever L1 wants. */
		if (sleep->nmi || !kvm_device_is_kvm())
			muen_round(_metadata, l1, sleep);
	}
}

/* SDM 3C 25.6.3, for each of L1's wishes and each kind of fault. */
TEST_F(nested, page_faults_that_l1_wants)
{
	static const struct {
		const uint8_t *code;
		uint64_t address;
		uint32_t error;
	} faults[] = {
		{ load, 1ULL << 32, 0 },
		{ store, 1ULL << 32, 2 },
		{ store, 0x200000, 3 },	/* made read-only below */
	};
	struct l1 *l1 = &self->l1;
	unsigned int bits, f, enter, reason, error;

	for (bits = 0; bits < 32; bits++) {
		uint32_t bitmap = bits & 1 ? 1 << 14 : 0, mask = bits >> 1 & 3, match = bits >> 3;

		for (f = 0; f < 3; f++) {
			bool wanted = !bitmap != ((faults[f].error & mask) == match);

			l1_vmcs(l1, 0, faults[f].code, sizeof(load));
			((uint64_t *)bench_low(&l1->bench, l1_l2_cr3(0)))[1024 + 1] &= ~2ULL;
			l1_write(l1, F_GUEST_CR0, 0x80010031 | 2);
			l1_write(l1, F_EXCEPTIONS, bitmap);
			l1_write(l1, F_PF_MASK, mask);
			l1_write(l1, F_PF_MATCH, match);
			*l1_reg(l1, L1_RBX) = faults[f].address;
			enter = l1_add(l1, L1_ENTER, 0, 0);
			reason = l1_read(l1, F_REASON);
			error = l1_read(l1, F_INTR_ERROR);
			ASSERT_EQ(0, l1_run(l1));
			ASSERT_EQ(L1_EXITED, l1_result(l1, enter));
			/* Without an IDT what L1 does not want ends in a triple fault. */
			ASSERT_EQ(wanted ? R_EXCEPTION : R_TRIPLE_FAULT, l1_value(l1, reason))
				TH_LOG("bitmap %x, mask %u, match %u, error %u", bitmap, mask,
				       match, faults[f].error);
			if (wanted)
				ASSERT_EQ(faults[f].error, l1_value(l1, error));
		}
	}
}

/* L2 stores to an address that L1's EPT (if there is one) leads elsewhere. */
static void l2_stores(struct __test_metadata *_metadata, struct l1 *l1, uint64_t address,
		      bool first)
{
	unsigned int enter, reason;

	if (!first)
		l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
	*l1_reg(l1, L1_RBX) = address;
	enter = l1_add(l1, L1_ENTER, !first, 0);
	reason = l1_read(l1, F_REASON);
	ASSERT_EQ(0, l1_run(l1));
	ASSERT_EQ(L1_EXITED, l1_result(l1, enter));
	ASSERT_EQ(R_VMCALL, l1_value(l1, reason));
}

static uint64_t dirty_pages(struct __test_metadata *_metadata, struct l1 *l1)
{
	uint64_t bitmap = 0;

	ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, &bitmap));
	return bitmap;
}

TEST_F(nested, l2_writes_without_ept)
{
	struct l1 *l1 = &self->l1;
	unsigned int round, page;

	l1_vmcs(l1, 0, store, sizeof(store));
	l2_stores(_metadata, l1, DATA_GPA, true);
	ASSERT_EQ(0, bench_set_flags(&l1->bench, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, dirty_pages(_metadata, l1) & ~1ULL);
	for (round = 0; round < 3; round++) {
		for (page = round; page < DATA_PAGES; page += 3) {
			l2_stores(_metadata, l1, DATA_GPA + page * PAGE_SIZE, false);
			ASSERT_EQ(1ULL << page, dirty_pages(_metadata, l1));
		}
	}
}

/* Invariant 13: L1's address, also when L1 has changed its EPT since. */
TEST_F(nested, l1_changes_its_ept_before_the_harvest)
{
	struct l1 *l1 = &self->l1;
	unsigned int page;

	if (!l1->ept)
		SKIP(return, "L1 has no EPT here");
	l1_vmcs(l1, 0, store, sizeof(store));
	l1_use_ept(l1);
	l2_stores(_metadata, l1, DATA_GPA, true);
	ASSERT_EQ(0, bench_set_flags(&l1->bench, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, dirty_pages(_metadata, l1) & ~1ULL);
	for (page = 0; page + 1 < DATA_PAGES; page++) {
		/* It writes through the old mapping, then through the new one. */
		l2_stores(_metadata, l1, DATA_GPA + 5 * PAGE_SIZE, false);
		(void)dirty_pages(_metadata, l1);
		*l1_reg(l1, L1_RAX) = 0x1000 + page;
		l2_stores(_metadata, l1, DATA_GPA + 5 * PAGE_SIZE, false);
		l1_remap(l1, 5, page + 1);
		ASSERT_EQ(0, l1_run(l1));
		ASSERT_EQ(1ULL << (page ?: 5), dirty_pages(_metadata, l1)) TH_LOG("page %u", page);
		ASSERT_EQ(0x1000 + page, bench_page(&l1->bench, page ?: 5)[0]);
		*l1_reg(l1, L1_RAX) = 0x2000 + page;
		l2_stores(_metadata, l1, DATA_GPA + 5 * PAGE_SIZE, false);
		ASSERT_EQ(1ULL << (page + 1), dirty_pages(_metadata, l1)) TH_LOG("page %u", page);
		ASSERT_EQ(0x2000 + page, bench_page(&l1->bench, page + 1)[0]);
	}
}

TEST_F(nested, ept_faults_that_l1_sees)
{
	static const struct {
		uint64_t entry;
		uint32_t reason;
		uint64_t qualification;
	} rows[] = {
		{ 0, R_EPT_VIOLATION, 0x182 },
		{ DATA_GPA | 5 | EPT_MT_WB, R_EPT_VIOLATION, 0x1aa },
		{ DATA_GPA | 2 | EPT_MT_WB, R_EPT_MISCONFIG, 0 },
		{ DATA_GPA | EPT_RWX | 2 << 3, R_EPT_MISCONFIG, 0 },
		{ DATA_GPA | EPT_RWX | EPT_MT_WB | 1ULL << 51, R_EPT_MISCONFIG, 0 },
	};
	struct l1 *l1 = &self->l1;
	unsigned int i, reason, qualification, physical;

	if (!l1->ept)
		SKIP(return, "L1 has no EPT here");
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		l1_vmcs(l1, 0, store, sizeof(store));
		l1_use_ept(l1);
		*(uint64_t *)bench_low(&l1->bench, L1_EPT_PTE(7)) = rows[i].entry;
		*l1_reg(l1, L1_RBX) = DATA_GPA + 7 * PAGE_SIZE + 8;
		l1_add(l1, L1_ENTER, 0, 0);
		reason = l1_read(l1, F_REASON);
		qualification = l1_read(l1, F_QUALIFICATION);
		physical = l1_read(l1, F_GUEST_PHYSICAL);
		ASSERT_EQ(0, l1_run(l1));
		ASSERT_EQ(rows[i].reason, l1_value(l1, reason)) TH_LOG("row %u", i);
		ASSERT_EQ(DATA_GPA + 7 * PAGE_SIZE + 8, l1_value(l1, physical)) TH_LOG("row %u", i);
		if (rows[i].reason == R_EPT_VIOLATION)
			ASSERT_EQ(rows[i].qualification, l1_value(l1, qualification))
				TH_LOG("row %u", i);
	}
}

TEST_HARNESS_MAIN
