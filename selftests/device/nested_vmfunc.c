// SPDX-License-Identifier: GPL-2.0
/*
 * VMFUNC for the guest (L2) of a guest hypervisor (L1), SDM 3C 26.5.6: L2 takes another
 * EPT of L1's list by itself, and what it may not take is L1's exit. And invariant 13:
 * L1's host is told exactly what L2 wrote, through whichever of them.
 */
#include <kselftest_harness.h>
#include <string.h>

#include "../../tools/lib/page.h"
#include "l1.h"

DECLARE_GUEST(l2_switch);

#define MSR_VMX_PROCBASED2	0x48b
#define MSR_VMX_VMFUNC		0x491

#define EPTP_FORMAT	(6 | 3 << 3)
#define EPTP_AD		(1ULL << 6)

#define PAGES		64
#define VIEWS		4	/* EPTs, in each of which the data slot is turned further */
#define TURN		13
#define VIEW_GPA(i)	(DATA_GPA + (PAGES + 8 * (i)) * PAGE_SIZE)	/* its tables */
#define LIST_GPA	0xd8000	/* L1's, of EPTPs */
#define STEPS_GPA	0xd9000	/* L2's */
#define STEPS_MAX	500
#define LOG_GPA		0xda000
#define NOT_MEMORY	0x70000000ULL

/* vmfunc; mov (%rbx), %rdx; vmcall */
static const uint8_t look[] = { 0x0f, 0x01, 0xd4, 0x48, 0x8b, 0x13, 0x0f, 0x01, 0xc1 };
#define BEHIND_VMFUNC	3

FIXTURE(nested_vmfunc)
{
	struct l1 l1;
};

FIXTURE_SETUP(nested_vmfunc)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = PAGES + 8 * VIEWS };
	struct l1 *l1 = &self->l1;
	uint64_t functions = 0;

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(l1, &config));
	ASSERT_EQ(0, l1_get_msr(&l1->bench.vcpu[0], MSR_VMX_VMFUNC, &functions));
	ASSERT_EQ(l1->may[L1_PROC2] & C_PROC2_VMFUNC ? 1 : 0, functions);
	if (!functions)
		SKIP_IN_SETUP("this CPU has no VM functions to exit for");
}

FIXTURE_TEARDOWN(nested_vmfunc)
{
	l1_close(&self->l1);
}

static uint64_t *eptp_list(struct l1 *l1)
{
	return bench_low(&l1->bench, LIST_GPA);
}

static unsigned int page_of(unsigned int view, unsigned int page)
{
	return (page + TURN * view) % PAGES;
}

/* What L2 sees as page @page of the data slot is L1's page_of(); all else is the identity. */
static void make_view(struct l1 *l1, unsigned int view)
{
	uint64_t *tables = (uint64_t *)bench_page(&l1->bench, PAGES + 8 * view);
	uint64_t *pd = l1_ept(tables, VIEW_GPA(view), EPT_A | EPT_D), *pt = pd + 512;
	unsigned int i;

	memset(pt, 0, PAGE_SIZE);
	pd[DATA_GPA >> 21] = (VIEW_GPA(view) + 3 * PAGE_SIZE) | EPT_RWX | EPT_A;
	for (i = 0; i < PAGES; i++)
		pt[i] = (DATA_GPA + page_of(view, i) * PAGE_SIZE) | EPT_RWX | EPT_MT_WB;
}

/* L2 runs this code by view 0, and may switch. Adds commands only. */
static void start(struct l1 *l1, const void *code, unsigned int bytes, uint64_t eptp_bits)
{
	unsigned int i;

	memset(eptp_list(l1), 0, PAGE_SIZE);
	for (i = 0; i < VIEWS; i++) {
		make_view(l1, i);
		eptp_list(l1)[i] = VIEW_GPA(i) | EPTP_FORMAT | eptp_bits;
	}
	for (i = 0; i < PAGES; i++)
		bench_page(&l1->bench, i)[0] = 1000 + i;
	l1_vmcs(l1, 0, code, bytes);
	l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, C_PROC_HLT | C_PROC_SECONDARY));
	l1_write(l1, F_PROC2, l1_controls(l1, L1_PROC2, C_PROC2_EPT | C_PROC2_VMFUNC));
	l1_write(l1, F_EPTP, eptp_list(l1)[0]);
	l1_write(l1, F_VM_FUNCTIONS, 1);
	l1_write(l1, F_EPTP_LIST, LIST_GPA);
}

struct left {
	uint64_t reason, rip, length, eptp, info, seen;
};

/* One entry, after what the script has already: how L2 left, with what @look saw. */
static struct left enter(struct __test_metadata *_metadata, struct l1 *l1, bool first)
{
	unsigned int enter = l1_add(l1, L1_ENTER, !first, 0);
	unsigned int reason = l1_read(l1, F_REASON), rip = l1_read(l1, F_GUEST_RIP);
	unsigned int length = l1_read(l1, F_INSN_LEN), eptp = l1_read(l1, F_EPTP);
	unsigned int info = l1_read(l1, F_INTR_INFO);

	EXPECT_EQ(0, l1_run(l1));
	EXPECT_EQ(L1_EXITED, l1_result(l1, enter));
	return (struct left){
		.reason = l1_value(l1, reason),
		.rip = l1_value(l1, rip) - L1_L2_CODE_GPA,
		.length = l1_value(l1, length),
		.eptp = l1_value(l1, eptp),
		.info = l1_value(l1, info),
		.seen = *l1_reg(l1, L1_RDX),
	};
}

/* VMFUNC with these registers, then a look at page @page. */
static struct left call(struct __test_metadata *_metadata, struct l1 *l1, bool first, uint64_t rax,
			uint64_t rcx)
{
	*l1_reg(l1, L1_RAX) = rax;
	*l1_reg(l1, L1_RCX) = rcx;
	*l1_reg(l1, L1_RBX) = DATA_GPA + 5 * PAGE_SIZE;
	*l1_reg(l1, L1_RDX) = 0;
	l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
	return enter(_metadata, l1, first);
}

static void check_look(struct __test_metadata *_metadata, struct l1 *l1, struct left left,
		       unsigned int view)
{
	ASSERT_EQ(R_VMCALL, left.reason);
	ASSERT_EQ(1000 + page_of(view, 5), left.seen);
	ASSERT_EQ(eptp_list(l1)[view], left.eptp);
}

/* What L2 took is in L1's VMCS, and stays when L1 enters again. The high halves mean nothing. */
TEST_F(nested_vmfunc, memory_by_the_list)
{
	struct l1 *l1 = &self->l1;
	struct left left;
	unsigned int i;

	start(l1, look, sizeof(look), 0);
	for (i = 0; i < 3 * VIEWS; i++) {
		left = call(_metadata, l1, !i, 0xabcdULL << 32, (1ULL << 63) | (3 * i % VIEWS));
		check_look(_metadata, l1, left, 3 * i % VIEWS);
		l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA + BEHIND_VMFUNC);
		*l1_reg(l1, L1_RDX) = 0;
		check_look(_metadata, l1, enter(_metadata, l1, false), 3 * i % VIEWS);
	}
	/* The list is read when VMFUNC is executed. */
	eptp_list(l1)[511] = eptp_list(l1)[2];
	check_look(_metadata, l1, call(_metadata, l1, false, 0, 511), 2);
	eptp_list(l1)[511] = eptp_list(l1)[1];
	check_look(_metadata, l1, call(_metadata, l1, false, 0, 511), 1);
}

/* Each is an exit of L1's, before the instruction; then L2 goes on by what it had. */
TEST_F(nested_vmfunc, refusals)
{
	static const struct {
		uint64_t rax, rcx, entry;
		uint64_t functions, list;
	} rows[] = {
		{ .functions = 0, .list = LIST_GPA, .rcx = 1 },
		{ .functions = 1, .list = LIST_GPA, .rax = 1 },
		{ .functions = 1, .list = LIST_GPA, .rax = 63 },
		{ .functions = 1, .list = LIST_GPA, .rcx = 512 },
		{ .functions = 1, .list = LIST_GPA, .rcx = 0xffffffff },
		{ .functions = 1, .list = NOT_MEMORY, .rcx = 1 },
		/* EPTPs that no entry takes: SDM 3C 27.2.1.1. */
		{ .functions = 1, .list = LIST_GPA, .rcx = 9, .entry = 0 },
		{ .functions = 1, .list = LIST_GPA, .rcx = 9, .entry = VIEW_GPA(1) | 3 << 3 | 1 },
		{ .functions = 1, .list = LIST_GPA, .rcx = 9, .entry = VIEW_GPA(1) | 2 << 3 | 6 },
		{ .functions = 1, .list = LIST_GPA, .rcx = 9,
		  .entry = VIEW_GPA(1) | EPTP_FORMAT | 1 << 7 },
		{ .functions = 1, .list = LIST_GPA, .rcx = 9,
		  .entry = VIEW_GPA(1) | EPTP_FORMAT | 1 << 11 },
		{ .functions = 1, .list = LIST_GPA, .rcx = 9,
		  .entry = VIEW_GPA(1) | EPTP_FORMAT | 1ULL << 51 },
		{ .functions = 1, .list = LIST_GPA, .rcx = 9,
		  .entry = VIEW_GPA(1) | EPTP_FORMAT | 1ULL << 63 },
	};
	struct l1 *l1 = &self->l1;
	struct left left;
	unsigned int i;

	start(l1, look, sizeof(look), 0);
	eptp_list(l1)[512] = eptp_list(l1)[1]; /* behind the list */
	check_look(_metadata, l1, call(_metadata, l1, true, 0, 2), 2);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		eptp_list(l1)[9] = rows[i].entry;
		l1_write(l1, F_VM_FUNCTIONS, rows[i].functions);
		l1_write(l1, F_EPTP_LIST, rows[i].list);
		left = call(_metadata, l1, false, rows[i].rax, rows[i].rcx);
		ASSERT_EQ(R_VMFUNC, left.reason) TH_LOG("row %u", i);
		ASSERT_EQ(0, left.rip) TH_LOG("row %u", i);
		ASSERT_EQ(BEHIND_VMFUNC, left.length) TH_LOG("row %u", i);
		ASSERT_EQ(eptp_list(l1)[2], left.eptp) TH_LOG("row %u", i);
		ASSERT_EQ(rows[i].rcx, *l1_reg(l1, L1_RCX)) TH_LOG("row %u", i);
		l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA + BEHIND_VMFUNC);
		check_look(_metadata, l1, enter(_metadata, l1, false), 2);
	}
}

#define UD	6

/* Without the control, and where there is no such function at all (SDM 3C 26.5.6.2). */
TEST_F(nested_vmfunc, undefined)
{
	static const struct {
		uint32_t controls;
		uint64_t rax;
	} rows[] = {
		{ C_PROC2_EPT, 0 },
		{ C_PROC2_EPT | C_PROC2_VMFUNC, 64 },
		{ C_PROC2_EPT | C_PROC2_VMFUNC, 0xffffffff },
		{ C_PROC2_EPT, 64 },
	};
	struct l1 *l1 = &self->l1;
	struct left left;
	unsigned int i;

	start(l1, look, sizeof(look), 0);
	l1_write(l1, F_EXCEPTIONS, 1 << UD);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		l1_write(l1, F_PROC2, l1_controls(l1, L1_PROC2, rows[i].controls));
		left = call(_metadata, l1, !i, rows[i].rax, 1);
		ASSERT_EQ(R_EXCEPTION, left.reason) TH_LOG("row %u", i);
		ASSERT_EQ(UD, left.info & 0xff) TH_LOG("row %u", i);
		ASSERT_EQ(0, left.rip) TH_LOG("row %u", i);
		ASSERT_EQ(eptp_list(l1)[0], left.eptp) TH_LOG("row %u", i);
	}
	/* And with the control again. */
	l1_write(l1, F_PROC2, l1_controls(l1, L1_PROC2, C_PROC2_EPT | C_PROC2_VMFUNC));
	check_look(_metadata, l1, call(_metadata, l1, false, 0, 3), 3);
}

/* SDM 3C 27.2.1.1. */
TEST_F(nested_vmfunc, entries_that_fail)
{
	static const struct {
		uint32_t field;
		uint64_t value;
	} rows[] = {
		{ F_VM_FUNCTIONS, 2 },
		{ F_VM_FUNCTIONS, 1ULL << 63 | 1 },
		{ F_EPTP_LIST, LIST_GPA + 8 },
		{ F_EPTP_LIST, LIST_GPA + 0x800 },
		{ F_EPTP_LIST, 1ULL << 51 },
		{ F_EPTP_LIST, 1ULL << 63 },
		{ F_PROC2, C_PROC2_VMFUNC },	/* and no EPT */
	};
	struct l1 *l1 = &self->l1;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		start(l1, look, sizeof(look), 0);
		l1_write(l1, rows[i].field, rows[i].value);
		ASSERT_EQ(7, l1_entry_error(l1)) TH_LOG("row %u", i);
	}
}

/* Userspace may take it away, and give no more than there is. */
TEST_F(nested_vmfunc, capabilities)
{
	struct l1 *l1 = &self->l1;
	struct vcpu *vcpu = &l1->bench.vcpu[0];
	uint64_t value = 0, controls = 0;

	EXPECT_NE(0, l1_set_msr(vcpu, MSR_VMX_VMFUNC, 3));
	EXPECT_NE(0, l1_set_msr(vcpu, MSR_VMX_VMFUNC, 2));
	ASSERT_EQ(0, l1_get_msr(vcpu, MSR_VMX_VMFUNC, &value));
	ASSERT_EQ(1, value);
	if (kvm_device_is_kvm())
		SKIP(return, "KVM changes no VMX capability of a vCPU that is in VMX operation");
	ASSERT_EQ(0, l1_set_msr(vcpu, MSR_VMX_VMFUNC, 0));
	start(l1, look, sizeof(look), 0);
	ASSERT_EQ(7, l1_entry_error(l1));
	ASSERT_EQ(0, l1_set_msr(vcpu, MSR_VMX_VMFUNC, 1));
	ASSERT_EQ(0, l1_get_msr(vcpu, MSR_VMX_PROCBASED2, &controls));
	controls &= ~((uint64_t)C_PROC2_VMFUNC << 32);
	ASSERT_EQ(0, l1_set_msr(vcpu, MSR_VMX_PROCBASED2, controls));
	start(l1, look, sizeof(look), 0);
	ASSERT_EQ(7, l1_entry_error(l1));
}

struct step {
	uint32_t view, gpa;
};

/* Random steps for l2_switch: view and address. */
static struct step *make_steps(struct l1 *l1, struct rng *rng, unsigned int n)
{
	struct step *step = bench_low(&l1->bench, STEPS_GPA);
	unsigned int i;

	for (i = 0; i < n; i++)
		step[i] = (struct step){
			.view = rng_below(rng, VIEWS),
			.gpa = DATA_GPA + rng_below(rng, PAGES) * PAGE_SIZE + 8,
		};
	step[n] = (struct step){};
	*l1_reg(l1, L1_RBX) = STEPS_GPA;
	return step;
}

static unsigned int written(const struct step *step)
{
	return page_of(step->view, (step->gpa - DATA_GPA) / PAGE_SIZE);
}

/* L2 is at the OUT behind the next step, which is step @i. */
static void next(struct __test_metadata *_metadata, struct l1 *l1, unsigned int i)
{
	ASSERT_EQ(KVM_EXIT_IO, i ? l1_go_on(l1) : l1_run(l1)) TH_LOG("step %u", i);
	ASSERT_EQ(PORT_TICK, l1->bench.vcpu[0].run->io.port);
}

/* Logging goes on and off, and is harvested, between any two switches. */
TEST_F(nested_vmfunc, each_write_is_reported_once)
{
	struct rng rng = { .state = bench_seed() };
	struct l1 *l1 = &self->l1;
	uint64_t bitmap[2], expected = 0;
	uint32_t count[PAGES] = {};
	unsigned int i, reason, harvests = 0;
	bool logged = false;
	struct step *step;

	start(l1, guest_l2_switch, guest_l2_switch_end - guest_l2_switch, 0);
	l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_read(l1, F_REASON);
	step = make_steps(l1, &rng, STEPS_MAX);
	for (i = 0; i < STEPS_MAX; i++) {
		next(_metadata, l1, i);
		count[written(&step[i])]++;
		expected |= 1ULL << written(&step[i]);
		if (!rng_below(&rng, 24)) {
			logged = !logged;
			ASSERT_EQ(0, bench_set_flags(&l1->bench,
						     logged ? KVM_MEM_LOG_DIRTY_PAGES : 0));
			expected = 0;
		} else if (logged && !rng_below(&rng, 4)) {
			ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, bitmap));
			ASSERT_EQ(expected, bitmap[0]) TH_LOG("after step %u", i);
			expected = 0;
			harvests++;
		}
	}
	ASSERT_EQ(0, l1_go_on(l1));
	ASSERT_EQ(R_VMCALL, l1_value(l1, reason));
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(count[i], bench_page(&l1->bench, i)[2]) TH_LOG("page %u", i);
	ASSERT_LT(10, harvests);
}

/* Many switches and nobody looks in between: what the log has at the end is all of it. */
TEST_F(nested_vmfunc, a_log_across_switches)
{
	struct rng rng = { .state = bench_seed() };
	struct l1 *l1 = &self->l1;
	unsigned int i, reason, round;
	uint64_t bitmap[2], expected;
	struct step *step;

	for (round = 0; round < 4; round++) {
		start(l1, guest_l2_switch, guest_l2_switch_end - guest_l2_switch, 0);
		ASSERT_EQ(0, bench_set_flags(&l1->bench, KVM_MEM_LOG_DIRTY_PAGES));
		ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, bitmap));
		l1_add(l1, L1_ENTER, 0, 0);
		reason = l1_read(l1, F_REASON);
		step = make_steps(l1, &rng, 24);
		for (i = 0, expected = 0; i < 24; i++) {
			next(_metadata, l1, i);
			expected |= 1ULL << written(&step[i]);
		}
		ASSERT_EQ(0, l1_go_on(l1));
		ASSERT_EQ(R_VMCALL, l1_value(l1, reason));
		ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, bitmap));
		ASSERT_EQ(expected, bitmap[0]) TH_LOG("round %u", round);
		ASSERT_EQ(0, bench_set_flags(&l1->bench, 0));
	}
}

/* L1's own log: L2's addresses in the order of the writes, whichever EPT they were by. */
TEST_F(nested_vmfunc, pml_of_l1)
{
	struct rng rng = { .state = bench_seed() };
	struct l1 *l1 = &self->l1;
	uint64_t *log = bench_low(&l1->bench, LOG_GPA);
	bool dirty[VIEWS][PAGES] = {};
	unsigned int i, index, at = 511;
	struct step *step;

	if (!l1->ept_ad)
		SKIP(return, "L1's EPT has no A/D bits here");
	start(l1, guest_l2_switch, guest_l2_switch_end - guest_l2_switch, EPTP_AD);
	l1_write(l1, F_PROC2,
		 l1_controls(l1, L1_PROC2, C_PROC2_EPT | C_PROC2_VMFUNC | C_PROC2_PML));
	l1_write(l1, F_PML_ADDRESS, LOG_GPA);
	l1_write(l1, F_PML_INDEX, 511);
	l1_add(l1, L1_ENTER, 0, 0);
	index = l1_read(l1, F_PML_INDEX);
	step = make_steps(l1, &rng, 300);
	for (i = 0; i < 300; i++)
		next(_metadata, l1, i);
	ASSERT_EQ(0, l1_go_on(l1));
	for (i = 0; i < 300; i++) {
		unsigned int page = (step[i].gpa - DATA_GPA) / PAGE_SIZE;

		if (dirty[step[i].view][page])
			continue;
		dirty[step[i].view][page] = true;
		ASSERT_EQ(DATA_GPA + page * PAGE_SIZE, log[at]) TH_LOG("entry %u", at);
		at--;
	}
	ASSERT_EQ(at, l1_value(l1, index));
}

/* KVM_GET_NESTED_STATE has the EPT that L2 is using, and KVM_SET_NESTED_STATE takes it up. */
TEST_F(nested_vmfunc, nested_state_has_the_eptp)
{
	static struct l1_nested_state state;
	struct l1 *l1 = &self->l1;
	struct vcpu *vcpu = &l1->bench.vcpu[0];
	unsigned int i, reason;
	struct step *step;
	uint64_t eptp;

	start(l1, guest_l2_switch, guest_l2_switch_end - guest_l2_switch, 0);
	l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_read(l1, F_REASON);
	step = bench_low(&l1->bench, STEPS_GPA);
	for (i = 0; i < 6; i++)
		step[i] = (struct step){ i % VIEWS, DATA_GPA + 5 * PAGE_SIZE + 8 };
	step[6] = (struct step){};
	*l1_reg(l1, L1_RBX) = STEPS_GPA;
	for (i = 0; i < 6; i++) {
		next(_metadata, l1, i);
		ASSERT_EQ(1, bench_page(&l1->bench, page_of(i % VIEWS, 5))[2] - i / VIEWS);
		/* The OUT is done with; L2 stands behind it. */
		vcpu->run->immediate_exit = 1;
		ASSERT_EQ(-EINTR, bench_run(&l1->bench, 0));
		vcpu->run->immediate_exit = 0;
		ASSERT_EQ(0, l1_get_nested_state(vcpu, &state));
		memcpy(&eptp, &state.vmcs12[120], sizeof(eptp));
		ASSERT_EQ(eptp_list(l1)[i % VIEWS], eptp);
		ASSERT_EQ(0, l1_set_nested_state(vcpu, &state));
	}
	ASSERT_EQ(0, l1_go_on(l1));
	ASSERT_EQ(R_VMCALL, l1_value(l1, reason));
}

TEST_HARNESS_MAIN
