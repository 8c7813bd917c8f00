// SPDX-License-Identifier: GPL-2.0
/*
 * Page-modification logging as a guest hypervisor (L1) has it for its guest (L2), SDM 3C
 * 29.3.6: an entry for each D bit that a write sets in L1's EPT, in the order of the
 * writes; a log that is full makes L2 exit before the access. And invariant 12: the log
 * is L1's memory, so what is put there is reported as written.
 */
#include <kselftest_harness.h>
#include <string.h>

#include "l1.h"

#define C_PIN_VIRTUAL_NMIS (1u << 5)
#define NMI_BLOCKED	8
#define NMI_UNBLOCKED	(1ULL << 12)	/* in the exit qualification, by IRET */

#define EPTP		(L1_EPT_GPA | 6 | 3 << 3)
#define EPTP_AD		(1ULL << 6)

#define DATA_PAGES	64
#define LOG_PAGE	63	/* of the data slot; L2 writes to those before it */
#define L2_PAGES	63
#define LOG_ENTRIES	512
#define LOG_GPA		(DATA_GPA + LOG_PAGE * PAGE_SIZE)
#define LIST_GPA	0xd8000	/* what L2 is to write to: addresses of 32 bits, then 0 */
#define DESCRIPTOR_GPA	0xd9000
#define POISON		0x5a5a5a5a5a5a5a5aULL

/* For each address of the list: mov %eax, (%rax), or mov (%rax), %ecx; then vmcall. */
#define OVER_THE_LIST(how)						\
	{ 0x8b, 0x03, 0x85, 0xc0, 0x74, 0x08, how, 0x48, 0x83, 0xc3, 0x04, 0xeb, 0xf2,	\
	  0x0f, 0x01, 0xc1 }
#define MOV_TO		0x89, 0x00
#define MOV_FROM	0x8b, 0x08
#define AT_ACCESS	6	/* where in the code it is */
static const uint8_t stores[] = OVER_THE_LIST(MOV_TO), loads[] = OVER_THE_LIST(MOV_FROM);

FIXTURE(nested_pml)
{
	struct l1 l1;
};

FIXTURE_SETUP(nested_pml)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = DATA_PAGES };

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(&self->l1, &config));
	/* It is offered where A/D bits are, and nowhere else. */
	ASSERT_EQ(self->l1.ept_ad, !!(self->l1.may[L1_PROC2] & C_PROC2_PML));
	if (!self->l1.ept_ad)
		SKIP_IN_SETUP("L1's EPT has no A/D bits here");
}

FIXTURE_TEARDOWN(nested_pml)
{
	l1_close(&self->l1);
}

static uint64_t *ept_entry(struct l1 *l1, unsigned int page)
{
	return (uint64_t *)bench_low(&l1->bench, L1_EPT_GPA + 3 * PAGE_SIZE) + page;
}

static uint64_t *log_page(struct l1 *l1)
{
	return (uint64_t *)bench_page(&l1->bench, LOG_PAGE);
}

/* An identity map in which A and D are set, but for the leaves of the data slot. */
static void ept_tables(struct l1 *l1)
{
	uint64_t *pd = l1_ept(bench_low(&l1->bench, L1_EPT_GPA), L1_EPT_GPA, EPT_A | EPT_D);
	unsigned int i;

	pd[DATA_GPA >> 21] = (L1_EPT_GPA + 3 * PAGE_SIZE) | EPT_RWX | EPT_A;
	for (i = 0; i < 512; i++)
		*ept_entry(l1, i) = (DATA_GPA + i * PAGE_SIZE) | EPT_RWX | EPT_MT_WB;
}

/* L2 runs this code, with EPT and PML; nothing is logged yet. Adds commands only. */
static void start(struct l1 *l1, const uint8_t *code, unsigned int bytes, uint64_t index)
{
	memset(log_page(l1), 0x5a, PAGE_SIZE);
	ept_tables(l1);
	l1_vmcs(l1, 0, code, bytes);
	l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, C_PROC_HLT | C_PROC_SECONDARY));
	l1_write(l1, F_PROC2, l1_controls(l1, L1_PROC2, C_PROC2_EPT | C_PROC2_PML));
	l1_write(l1, F_EPTP, EPTP | EPTP_AD);
	l1_write(l1, F_PML_ADDRESS, LOG_GPA);
	l1_write(l1, F_PML_INDEX, index);
}

/* What L2 is to go through from here on. */
static void put_list(struct l1 *l1, const unsigned int *pages, unsigned int count)
{
	uint32_t *list = bench_low(&l1->bench, LIST_GPA);
	unsigned int i;

	for (i = 0; i < count; i++)
		list[i] = DATA_GPA + pages[i] * PAGE_SIZE + 8 * i;
	list[count] = 0;
	*l1_reg(l1, L1_RBX) = LIST_GPA;
}

struct left {
	uint64_t reason, index, qualification, rip;
};

/* One entry, after what the script has already; how L2 left. */
static struct left enter(struct __test_metadata *_metadata, struct l1 *l1, bool first)
{
	unsigned int enter = l1_add(l1, L1_ENTER, !first, 0);
	unsigned int reason = l1_read(l1, F_REASON), index = l1_read(l1, F_PML_INDEX);
	unsigned int qualification = l1_read(l1, F_QUALIFICATION), rip = l1_read(l1, F_GUEST_RIP);

	ASSERT_EQ(0, l1_run(l1));
	ASSERT_EQ(L1_EXITED, l1_result(l1, enter));
	return (struct left){
		.reason = l1_value(l1, reason),
		.index = l1_value(l1, index),
		.qualification = l1_value(l1, qualification),
		.rip = l1_value(l1, rip) - L1_L2_CODE_GPA,
	};
}

/* As enter(), from the beginning of the code, over this list. */
static struct left go_over(struct __test_metadata *_metadata, struct l1 *l1, bool first,
			   const unsigned int *pages, unsigned int count)
{
	if (!first)
		l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
	put_list(l1, pages, count);
	return enter(_metadata, l1, first);
}

static unsigned int invept(struct l1 *l1)
{
	uint64_t *descriptor = bench_low(&l1->bench, DESCRIPTOR_GPA);

	descriptor[0] = EPTP | EPTP_AD;
	descriptor[1] = 0;
	return l1_add(l1, L1_INVEPT, 1, DESCRIPTOR_GPA);
}

/* What L1 is to find: its log, the index, and its EPT's D bits. */
struct model {
	uint64_t log[LOG_ENTRIES];
	uint16_t index;
	bool dirty[L2_PAGES];
};

/* Does L2 get past this write? */
static bool model_write(struct model *model, unsigned int page)
{
	if (model->dirty[page])
		return true;
	if (model->index >= LOG_ENTRIES)
		return false;
	model->dirty[page] = true;
	model->log[model->index--] = DATA_GPA + page * PAGE_SIZE;
	return true;
}

static void check_model(struct __test_metadata *_metadata, struct l1 *l1,
			const struct model *model)
{
	unsigned int i;

	for (i = 0; i < LOG_ENTRIES; i++)
		ASSERT_EQ(model->log[i], log_page(l1)[i]) TH_LOG("entry %u", i);
	for (i = 0; i < L2_PAGES; i++)
		ASSERT_EQ(model->dirty[i], !!(*ept_entry(l1, i) & EPT_D)) TH_LOG("page %u", i);
}

#define WRITES	24
#define ROUNDS	24

/*
 * Random writes, D bits that L1 takes back, and logs with little room: each entry, the
 * index, and the instruction at which the log was full are those of the model.
 */
TEST_F(nested_pml, entries_in_the_order_of_the_writes)
{
	struct rng rng = { .state = bench_seed() };
	struct l1 *l1 = &self->l1;
	struct model model = { .index = 3 };
	unsigned int pages[WRITES], round, i, full = 0;
	struct left left;

	memset(model.log, 0x5a, sizeof(model.log));
	start(l1, stores, sizeof(stores), model.index);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < WRITES; i++)
			pages[i] = rng_below(&rng, L2_PAGES);
		left = go_over(_metadata, l1, !round, pages, WRITES);
		for (i = 0; i < WRITES; i++) {
			while (!model_write(&model, pages[i])) {
				ASSERT_EQ(R_PML_FULL, left.reason) TH_LOG("round %u, %u", round, i);
				ASSERT_EQ(0, left.qualification);
				ASSERT_EQ(AT_ACCESS, left.rip);
				ASSERT_EQ(0xffff, left.index);
				ASSERT_EQ(DATA_GPA + pages[i] * PAGE_SIZE + 8 * i,
					  (uint32_t)*l1_reg(l1, L1_RAX));
				check_model(_metadata, l1, &model);
				/* L1 has read the log, and has room again: on from there. */
				model.index = rng_below(&rng, 8);
				l1_write(l1, F_PML_INDEX, model.index);
				left = enter(_metadata, l1, false);
				full++;
			}
		}
		ASSERT_EQ(R_VMCALL, left.reason) TH_LOG("round %u", round);
		ASSERT_EQ(model.index, left.index) TH_LOG("round %u", round);
		check_model(_metadata, l1, &model);
		for (i = 0; i < WRITES; i++)
			ASSERT_EQ(DATA_GPA + pages[i] * PAGE_SIZE + 8 * i,
				  bench_page(&l1->bench, pages[i])[2 * i]);
		/* Some pages are to be logged anew. */
		for (i = 0; i < L2_PAGES; i++) {
			if (rng_below(&rng, 2))
				continue;
			l1_add(l1, L1_STORE, L1_EPT_GPA + 3 * PAGE_SIZE + 8 * i,
			       *ept_entry(l1, i) & ~EPT_D);
			model.dirty[i] = false;
		}
		invept(l1);
	}
	ASSERT_LT(ROUNDS, full);
}

/* No access, no bit, no entry, where the index is out of range. */
TEST_F(nested_pml, a_full_log_stops_the_write)
{
	static const uint16_t indices[] = { 512, 0x8000, 0xffff };
	const unsigned int page = 7;
	struct l1 *l1 = &self->l1;
	struct left left;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(indices); i++) {
		start(l1, stores, sizeof(stores), indices[i]);
		invept(l1);
		bench_page(&l1->bench, page)[0] = 1;
		left = go_over(_metadata, l1, true, &page, 1);
		ASSERT_EQ(R_PML_FULL, left.reason);
		ASSERT_EQ(indices[i], left.index);
		ASSERT_EQ(AT_ACCESS, left.rip);
		ASSERT_EQ(1, bench_page(&l1->bench, page)[0]);
		ASSERT_EQ(0, *ept_entry(l1, page) & EPT_D);
		ASSERT_EQ(POISON, log_page(l1)[511]);
		ASSERT_EQ(POISON, log_page(l1)[0]);
		if (!kvm_device_is_kvm())
			ASSERT_EQ(0, *ept_entry(l1, page) & EPT_A);
	}
}

/* An A bit that is to be set meets a full log, too; one that is set does not. */
TEST_F(nested_pml, a_full_log_stops_the_read)
{
	const unsigned int page = 7;
	struct l1 *l1 = &self->l1;
	struct left left;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM looks at the index when D is to be set only");
	start(l1, loads, sizeof(loads), 0xffff);
	left = go_over(_metadata, l1, true, &page, 1);
	ASSERT_EQ(R_PML_FULL, left.reason);
	ASSERT_EQ(AT_ACCESS, left.rip);
	ASSERT_EQ(0, *ept_entry(l1, page) & EPT_A);
	*ept_entry(l1, page) |= EPT_A;
	left = go_over(_metadata, l1, false, &page, 1);
	ASSERT_EQ(R_VMCALL, left.reason);
	l1_write(l1, F_PML_INDEX, 3);
	*ept_entry(l1, page) &= ~EPT_A;
	invept(l1);
	left = go_over(_metadata, l1, false, &page, 1);
	ASSERT_EQ(R_VMCALL, left.reason);
	ASSERT_EQ(3, left.index); /* an A bit takes no entry */
	ASSERT_EQ(EPT_A, *ept_entry(l1, page) & (EPT_A | EPT_D));
}

/* One D bit for 2M: one entry, for the 4K that were written first. */
TEST_F(nested_pml, a_large_page)
{
	static const unsigned int pages[] = { 9, 3, 9, 20 };
	struct l1 *l1 = &self->l1;
	struct left left;

	start(l1, stores, sizeof(stores), 511);
	((uint64_t *)bench_low(&l1->bench, L1_EPT_GPA + 2 * PAGE_SIZE))[DATA_GPA >> 21] =
		DATA_GPA | EPT_RWX | EPT_MT_WB | EPT_PS;
	left = go_over(_metadata, l1, true, pages, ARRAY_SIZE(pages));
	ASSERT_EQ(R_VMCALL, left.reason);
	ASSERT_EQ(510, left.index);
	ASSERT_EQ(DATA_GPA + 9 * PAGE_SIZE, log_page(l1)[511]);
	ASSERT_EQ(POISON, log_page(l1)[510]);
}

/* Without A/D bits in the EPTP nobody logs, and nobody minds the index. */
TEST_F(nested_pml, no_ad_bits_no_log)
{
	static const unsigned int pages[] = { 1, 2 };
	struct l1 *l1 = &self->l1;
	struct left left;

	start(l1, stores, sizeof(stores), 0xffff);
	l1_write(l1, F_EPTP, EPTP);
	left = go_over(_metadata, l1, true, pages, 2);
	ASSERT_EQ(R_VMCALL, left.reason);
	ASSERT_EQ(0xffff, left.index);
	ASSERT_EQ(0, *ept_entry(l1, 1) & (EPT_A | EPT_D));
	ASSERT_EQ(POISON, log_page(l1)[511]);
}

/* SDM 3C 27.2.1.1. */
TEST_F(nested_pml, entries_that_fail)
{
	static const struct {
		uint32_t field;
		uint64_t value;
	} rows[] = {
		{ F_PML_ADDRESS, LOG_GPA + 8 },
		{ F_PML_ADDRESS, LOG_GPA + 0x800 },
		{ F_PML_ADDRESS, 1ULL << 51 },
		{ F_PML_ADDRESS, 1ULL << 63 },
		{ F_PROC2, C_PROC2_PML },	/* and no EPT */
	};
	struct l1 *l1 = &self->l1;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		start(l1, stores, sizeof(stores), 511);
		l1_write(l1, rows[i].field, rows[i].value);
		ASSERT_EQ(7, l1_entry_error(l1)) TH_LOG("row %u", i);
	}
}

/* Invariants 12 and 13: what L2 wrote, and the log, are reported to L1's host. */
TEST_F(nested_pml, the_log_is_written_memory)
{
	static const unsigned int pages[] = { 5, 17, 5 };
	struct l1 *l1 = &self->l1;
	uint64_t bitmap = 0;
	struct left left;

	start(l1, stores, sizeof(stores), 511);
	ASSERT_EQ(0, bench_set_flags(&l1->bench, KVM_MEM_LOG_DIRTY_PAGES));
	left = go_over(_metadata, l1, true, pages, ARRAY_SIZE(pages));
	ASSERT_EQ(509, left.index);
	ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, &bitmap));
	ASSERT_EQ(1ULL << 5 | 1ULL << 17 | 1ULL << LOG_PAGE, bitmap);
	/* The host takes its bit back, L1 does not: no second entry, and no write to the log. */
	left = go_over(_metadata, l1, false, pages, ARRAY_SIZE(pages));
	ASSERT_EQ(509, left.index);
	ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, &bitmap));
	ASSERT_EQ(1ULL << 5 | 1ULL << 17, bitmap);
}

/* A log where there is no memory: entries are gone, and count. */
TEST_F(nested_pml, a_log_that_is_no_memory)
{
	static const unsigned int pages[] = { 5, 6 };
	struct l1 *l1 = &self->l1;
	struct left left;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM does not count them");
	start(l1, stores, sizeof(stores), 511);
	l1_write(l1, F_PML_ADDRESS, 0x70000000);
	left = go_over(_metadata, l1, true, pages, 2);
	ASSERT_EQ(R_VMCALL, left.reason);
	ASSERT_EQ(509, left.index);
	ASSERT_EQ(EPT_D, *ept_entry(l1, 6) & EPT_D);
}

/* IRET reads its frame where the log is full: it has unblocked NMIs by then. */
TEST_F(nested_pml, nmis_that_iret_unblocked)
{
	static const uint8_t iretq[] = { 0x48, 0xcf };
	struct l1 *l1 = &self->l1;
	struct left left;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM looks at the index when D is to be set only");
	start(l1, iretq, sizeof(iretq), 0xffff);
	l1_write(l1, F_PIN, l1_controls(l1, L1_PIN, C_PIN_NMIS | C_PIN_VIRTUAL_NMIS));
	l1_write(l1, F_INTERRUPTIBILITY, NMI_BLOCKED);
	l1_write(l1, F_GUEST_RSP, DATA_GPA + 0x100);
	left = enter(_metadata, l1, true);
	ASSERT_EQ(R_PML_FULL, left.reason);
	ASSERT_EQ(NMI_UNBLOCKED, left.qualification);
	ASSERT_EQ(0, left.rip);
}

/* A write that the host makes for L2: REP INS from a port that is not L1's. */
TEST_F(nested_pml, string_input_is_logged)
{
	static const uint8_t ins[] = { 0x48, 0x89, 0xdf, 0xf3, 0x6c, 0x0f, 0x01, 0xc1 };
	struct l1 *l1 = &self->l1;
	struct kvm_run *run = l1->bench.vcpu[0].run;
	unsigned int enter_again, reason, index;
	struct left left;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's instruction emulator does not log");
	start(l1, ins, sizeof(ins), 0xffff);
	*l1_reg(l1, L1_RBX) = DATA_GPA + 5 * PAGE_SIZE;
	*l1_reg(l1, L1_RCX) = 4;
	*l1_reg(l1, L1_RDX) = 0x1234;
	left = enter(_metadata, l1, true);
	ASSERT_EQ(R_PML_FULL, left.reason);
	ASSERT_EQ(3, left.rip); /* rep insb */
	ASSERT_EQ(4, *l1_reg(l1, L1_RCX));
	ASSERT_EQ(0, *ept_entry(l1, 5) & EPT_D);

	l1_write(l1, F_PML_INDEX, 511);
	l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
	enter_again = l1_add(l1, L1_ENTER, 1, 0);
	reason = l1_read(l1, F_REASON);
	index = l1_read(l1, F_PML_INDEX);
	ASSERT_EQ(KVM_EXIT_IO, l1_run(l1));
	ASSERT_EQ(0x1234, run->io.port);
	ASSERT_EQ(4, run->io.count);
	memcpy((char *)run + run->io.data_offset, "log!", 4);
	ASSERT_EQ(0, l1_go_on(l1));
	ASSERT_EQ(L1_EXITED, l1_result(l1, enter_again));
	ASSERT_EQ(R_VMCALL, l1_value(l1, reason));
	ASSERT_EQ(510, l1_value(l1, index));
	ASSERT_EQ(DATA_GPA + 5 * PAGE_SIZE, log_page(l1)[511]);
	ASSERT_EQ(0, memcmp((void *)bench_page(&l1->bench, 5), "log!", 4));
}

/* KVM_GET_NESTED_STATE has both fields where KVM has them. */
TEST_F(nested_pml, nested_state_has_the_index)
{
	static const unsigned int pages[] = { 5, 6 };
	static struct l1_nested_state state;
	struct l1 *l1 = &self->l1;
	uint64_t address;
	uint16_t index;

	start(l1, stores, sizeof(stores), 100);
	ASSERT_EQ(98, go_over(_metadata, l1, true, pages, 2).index);
	ASSERT_EQ(0, l1_get_nested_state(&l1->bench.vcpu[0], &state));
	memcpy(&address, &state.vmcs12[312], sizeof(address));
	memcpy(&index, &state.vmcs12[996], sizeof(index));
	ASSERT_EQ(LOG_GPA, address);
	ASSERT_EQ(98, index);
}

TEST_HARNESS_MAIN
