// SPDX-License-Identifier: GPL-2.0
/*
 * The enlightened VMCS of a guest hypervisor (L1): a page that an entry reads and an exit
 * writes. What L1 may leave unread, what is refused while there is one, which controls
 * there are not; and what L0 writes there is in the dirty log, as L1's own writes are.
 *
 * kvm_intel fails all of it: it wants Hyper-V's leaves in the CPUID of a guest that does this.
 */
#include <kselftest_harness.h>
#include <string.h>

#include "../../tools/lib/page.h"
#include "l1.h"

#define MSR_VMX_PROCBASED2	0x48b
#define MSR_VMX_TRUE_PIN	0x48d
#define HV_MSR_GUEST_OS_ID	0x40000000
#define HV_MSR_VP_ASSIST	0x40000073

#define REVISION		1
#define NOT_MEMORY		0x70000000ULL
#define ALL_CLEAN		0xffffu
#define GUEST_BASIC		(1u << 10)	/* RSP, RFLAGS, interruptibility */
#define MSR_BITMAP		(1u << 1)

/* In the data slot. */
enum page { EVMCS, ANOTHER, ASSIST, BITMAP, PAGES = 8 };

/* Where the fields are in the page (TLFS, HV_VMX_ENLIGHTENED_VMCS). */
#define E_HOST_ES		8
#define E_GUEST_RSP		768
#define E_ERROR			688
#define E_REASON		692
#define E_PROC			788
#define E_PROC2			100
#define E_MSR_BITMAP		120
#define E_STORE_LIST		320
#define E_STORE_COUNT		388
#define E_GUEST_RIP		816
#define E_CLEAN			824
#define E_ENLIGHTENMENTS	836
#define ENLIGHTENED_BITMAP	2

static const struct {
	uint32_t field, at, bytes;
} moved[] = {
	{ F_HOST_CR0, 40, 8 },		{ F_HOST_CR3, 48, 8 },	      { F_HOST_CR4, 56, 8 },
	{ F_HOST_CS, 10, 2 },		{ F_HOST_SS, 12, 2 },	      { F_HOST_TR, 20, 2 },
	{ L1_FIELD_HOST_RIP, 80, 8 },	{ L1_FIELD_HOST_RSP, 616, 8 }, { F_PIN, 92, 4 },
	{ F_EXIT, 96, 4 },		{ F_PROC, E_PROC, 4 },	      { F_ENTRY, 796, 4 },
	{ F_GUEST_CR0, 544, 8 },	{ F_GUEST_CR3, 552, 8 },      { F_GUEST_CR4, 560, 8 },
	{ F_GUEST_RSP, E_GUEST_RSP, 8 }, { F_GUEST_RFLAGS, 776, 8 },
	{ F_GUEST_RIP, E_GUEST_RIP, 8 }, { F_LINK, 416, 8 },
};

/* mov %rsp, %rdx; vmcall */
static const uint8_t code[] = { 0x48, 0x89, 0xe2, 0x0f, 0x01, 0xc1 };
#define AT_VMCALL		3

FIXTURE(nested_evmcs)
{
	struct l1 l1;
	uint8_t *evmcs;
};

static void put(void *page, uint32_t at, uint64_t value, uint32_t bytes)
{
	memcpy((char *)page + at, &value, bytes);
}

static uint64_t get(const void *page, uint32_t at, uint32_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)page + at, bytes);
	return value;
}

static int enable(struct vcpu *vcpu, uint16_t *versions)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_HYPERV_ENLIGHTENED_VMCS,
		.args = { (uintptr_t)versions },
	};

	return kvm_ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap);
}

/* L1's next entry takes the page at @gpa. */
static void name(struct l1 *l1, uint64_t gpa)
{
	char *assist = (char *)bench_page(&l1->bench, ASSIST);

	put(assist, 40, 1, 1);
	put(assist, 48, gpa, 8);
}

static uint64_t gpa_of(enum page page)
{
	return DATA_GPA + page * PAGE_SIZE;
}

/* What l1_vmcs() makes, as an enlightened one. */
static int fill(struct l1 *l1, uint8_t *page)
{
	unsigned int command[ARRAY_SIZE(moved)], i;
	int ret;

	l1_vmcs(l1, 0, code, sizeof(code));
	for (i = 0; i < ARRAY_SIZE(moved); i++)
		command[i] = l1_read(l1, moved[i].field);
	l1_add(l1, L1_VMCLEAR, L1_VMCS_GPA, 0);
	ret = l1_run(l1);
	memset(page, 0, PAGE_SIZE);
	put(page, 0, REVISION, 4);
	for (i = 0; i < ARRAY_SIZE(moved); i++)
		put(page, moved[i].at, l1_value(l1, command[i]), moved[i].bytes);
	/* ES, CS, SS, DS, FS, GS, LDTR, TR. */
	for (i = 0; i < 8; i++) {
		static const uint32_t rights[] = { 0xc093, 0xa09b, 0xc093, 0xc093,
						   0xc093, 0xc093, 0x10000, 0x8b };

		put(page, 144 + 4 * i, i < 6 ? 0xffffffff : 0x67, 4);
		put(page, 184 + 4 * i, rights[i], 4);
	}
	put(page, E_HOST_ES, 16, 2);
	return ret;
}

FIXTURE_SETUP(nested_evmcs)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = PAGES };
	struct l1 *l1 = &self->l1;
	struct vcpu *vcpu = &l1->bench.vcpu[0];
	uint16_t versions = 0;

	if (!l1_is_offered())
		SKIP_IN_SETUP("guests have no VMX here");
	ASSERT_EQ(0, l1_open(l1, &config));
	ASSERT_EQ(0, enable(vcpu, &versions));
	ASSERT_EQ(0x101, versions);
	ASSERT_EQ(0, l1_set_msr(vcpu, HV_MSR_VP_ASSIST, gpa_of(ASSIST) | 1));
	self->evmcs = (uint8_t *)bench_page(&l1->bench, EVMCS);
	ASSERT_EQ(0, fill(l1, self->evmcs));
	name(l1, gpa_of(EVMCS));
}

FIXTURE_TEARDOWN(nested_evmcs)
{
	l1_close(&self->l1);
}

/* One entry, from L2's first instruction on: its result. */
static uint64_t enter(struct __test_metadata *_metadata, struct l1 *l1, uint8_t *page, bool first)
{
	unsigned int command = l1_add(l1, L1_ENTER, !first, 0);

	put(page, E_GUEST_RIP, L1_L2_CODE_GPA, 8);
	put(page, E_REASON, 0xdead, 4);
	EXPECT_EQ(0, l1_run(l1));
	return l1_result(l1, command);
}

static void check_exit(struct __test_metadata *_metadata, struct l1 *l1, uint8_t *page, bool first,
		       uint64_t rsp)
{
	ASSERT_EQ(L1_EXITED, enter(_metadata, l1, page, first));
	ASSERT_EQ(R_VMCALL, get(page, E_REASON, 4));
	ASSERT_EQ(L1_L2_CODE_GPA + AT_VMCALL, get(page, E_GUEST_RIP, 8));
	ASSERT_EQ(rsp, *l1_reg(l1, L1_RDX));
	ASSERT_EQ(ALL_CLEAN, get(page, E_CLEAN, 4));
}

/* A field of a clean group is what it was; not by VMLAUNCH, and not of another page. */
TEST_F(nested_evmcs, clean_fields)
{
	uint8_t *page = self->evmcs, *other = (uint8_t *)bench_page(&self->l1.bench, ANOTHER);
	struct l1 *l1 = &self->l1;
	uint64_t rsp = get(page, E_GUEST_RSP, 8);

	put(page, E_CLEAN, ALL_CLEAN, 4);
	check_exit(_metadata, l1, page, true, rsp);
	put(page, E_GUEST_RSP, rsp - 8, 8);
	check_exit(_metadata, l1, page, false, rsp);
	/* The exit has written what L2 really had. */
	ASSERT_EQ(rsp, get(page, E_GUEST_RSP, 8));
	put(page, E_GUEST_RSP, rsp - 8, 8);
	put(page, E_CLEAN, ALL_CLEAN & ~GUEST_BASIC, 4);
	check_exit(_metadata, l1, page, false, rsp - 8);
	put(page, E_GUEST_RSP, rsp - 16, 8);
	check_exit(_metadata, l1, page, true, rsp - 16);
	memcpy(other, page, PAGE_SIZE);
	put(other, E_GUEST_RSP, rsp - 24, 8);
	name(l1, gpa_of(ANOTHER));
	check_exit(_metadata, l1, other, false, rsp - 24);
}

TEST_F(nested_evmcs, what_l0_writes_is_logged)
{
	struct l1 *l1 = &self->l1;
	uint8_t *page = self->evmcs;
	uint64_t rsp = get(page, E_GUEST_RSP, 8), bitmap = 0;

	check_exit(_metadata, l1, page, true, rsp);
	ASSERT_EQ(0, bench_set_flags(&l1->bench, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, &bitmap));
	check_exit(_metadata, l1, page, false, rsp);
	ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, &bitmap));
	ASSERT_EQ(1ULL << EVMCS, bitmap);
	/* The number of an error alone, too. */
	l1_add(l1, L1_VMCLEAR, 1, 0);
	ASSERT_EQ(0, l1_run(l1));
	ASSERT_EQ(2, get(page, E_ERROR, 4));
	ASSERT_EQ(0, vm_get_log(&l1->bench.vm, &l1->bench.data, &bitmap));
	ASSERT_EQ(1ULL << EVMCS, bitmap);
}

#define READS_HIGH		1024	/* of a bitmap (SDM 3C 25.6.9): from 0xc0000000 on */

/* mov $MSR_FS_BASE, %ecx; rdmsr; vmcall */
static const uint8_t read_msr[] = { 0xb9, 0, 1, 0, 0xc0, 0x0f, 0x32, 0x0f, 0x01, 0xc1 };

/* L2 reads an MSR; L1 has an enlightened bitmap, at first without exits.  Each entry's reason. */
static void use_bitmap(struct l1 *l1, uint8_t *page)
{
	uint8_t *bitmap = (uint8_t *)bench_page(&l1->bench, BITMAP);

	memcpy(bench_low(&l1->bench, L1_L2_CODE_GPA), read_msr, sizeof(read_msr));
	memset(bitmap, 0, PAGE_SIZE);
	put(page, E_PROC, get(page, E_PROC, 4) | C_PROC_MSR_BITMAP, 4);
	put(page, E_MSR_BITMAP, gpa_of(BITMAP), 8);
	put(page, E_ENLIGHTENMENTS, ENLIGHTENED_BITMAP, 4);
}

static void set_exit(struct l1 *l1, bool exits)
{
	uint8_t *reads = (uint8_t *)bench_page(&l1->bench, BITMAP) + READS_HIGH;
	uint32_t bit = MSR_FS_BASE & 0x1fff;

	reads[bit / 8] = exits << bit % 8;
}

static uint32_t reason_with(struct __test_metadata *_metadata, struct l1 *l1, uint8_t *page,
			    uint32_t clean)
{
	put(page, E_CLEAN, clean, 4);
	EXPECT_EQ(L1_EXITED, enter(_metadata, l1, page, false));
	return get(page, E_REASON, 4);
}

/* One that is declared clean is not looked at, but for another filter of the owner's. */
TEST_F(nested_evmcs, msr_bitmap)
{
	struct l1 *l1 = &self->l1;
	uint8_t *page = self->evmcs;

	use_bitmap(l1, page);
	ASSERT_EQ(R_VMCALL, reason_with(_metadata, l1, page, 0));
	set_exit(l1, true);
	EXPECT_EQ(R_VMCALL, reason_with(_metadata, l1, page, ALL_CLEAN));
	EXPECT_EQ(R_RDMSR, reason_with(_metadata, l1, page, ALL_CLEAN & ~MSR_BITMAP));
	/* One that is not enlightened is always looked at. */
	set_exit(l1, false);
	EXPECT_EQ(R_VMCALL, reason_with(_metadata, l1, page, ALL_CLEAN & ~MSR_BITMAP));
	put(page, E_ENLIGHTENMENTS, 0, 4);
	set_exit(l1, true);
	EXPECT_EQ(R_RDMSR, reason_with(_metadata, l1, page, ALL_CLEAN));
}

TEST_F(nested_evmcs, msr_filter)
{
	uint64_t none = 0;
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = KVM_MSR_FILTER_READ, .base = MSR_FS_BASE, .nmsrs = 1,
			       .bitmap = (void *)&none },
	};
	struct l1 *l1 = &self->l1;
	uint8_t *page = self->evmcs;

	use_bitmap(l1, page);
	ASSERT_EQ(R_VMCALL, reason_with(_metadata, l1, page, 0));
	ASSERT_EQ(0, kvm_ioctl(l1->bench.vm.fd, KVM_X86_SET_MSR_FILTER, &filter));
	/* #GP, which this L2 does not survive. */
	EXPECT_EQ(R_TRIPLE_FAULT, reason_with(_metadata, l1, page, ALL_CLEAN));
	filter.ranges[0].nmsrs = 0;
	ASSERT_EQ(0, kvm_ioctl(l1->bench.vm.fd, KVM_X86_SET_MSR_FILTER, &filter));
	EXPECT_EQ(R_VMCALL, reason_with(_metadata, l1, page, ALL_CLEAN));
}

TEST_F(nested_evmcs, revisions)
{
	struct l1 *l1 = &self->l1;
	uint8_t *page = self->evmcs;
	uint64_t rsp = get(page, E_GUEST_RSP, 8);

	put(page, 0, REVISION + 1, 4);
	enter(_metadata, l1, page, true);
	ASSERT_TRUE(l1_failed_invalid(l1, 0)) TH_LOG("the entry is the script's first command");
	put(page, 0, l1->revision, 4);
	check_exit(_metadata, l1, page, true, rsp);
	put(page, 0, REVISION, 4);
	check_exit(_metadata, l1, page, false, rsp);
}

/* While there is one there is no other; VMCLEAR ends that, and writes nothing. */
TEST_F(nested_evmcs, instructions)
{
	struct l1 *l1 = &self->l1;
	uint8_t *page = self->evmcs;
	unsigned int load, read, clear;
	uint8_t before[PAGE_SIZE];

	check_exit(_metadata, l1, page, true, get(page, E_GUEST_RSP, 8));
	load = l1_add(l1, L1_VMPTRLD, L1_VMCS_GPA, 0);
	read = l1_read(l1, F_REASON);
	ASSERT_EQ(0, l1_run(l1));
	ASSERT_TRUE(l1_failed_invalid(l1, load));
	ASSERT_TRUE(l1_failed_invalid(l1, read));
	memcpy(before, page, PAGE_SIZE);
	clear = l1_add(l1, L1_VMCLEAR, gpa_of(EVMCS), 0);
	load = l1_add(l1, L1_VMPTRLD, L1_VMCS_GPA, 0);
	read = l1_read(l1, F_REASON);
	ASSERT_EQ(0, l1_run(l1));
	ASSERT_FALSE(l1_failed(l1, clear));
	ASSERT_FALSE(l1_failed(l1, load));
	ASSERT_FALSE(l1_failed(l1, read));
	ASSERT_EQ(0, memcmp(before, page, PAGE_SIZE));
}

/* What has no field is not there to be asked for, whatever userspace sets. */
TEST_F(nested_evmcs, controls_that_it_lacks)
{
	struct l1 *l1 = &self->l1;
	struct vcpu *vcpu = &l1->bench.vcpu[0];
	uint64_t had = l1->must[L1_PROC2] | (uint64_t)l1->may[L1_PROC2] << 32, value = 0;
	uint8_t *page = self->evmcs;

	if (!(l1->may[L1_PROC2] & C_PROC2_PML))
		SKIP(return, "L1 has no PML here");
	ASSERT_EQ(0, l1_get_msr(vcpu, MSR_VMX_PROCBASED2, &value));
	ASSERT_FALSE(value >> 32 & C_PROC2_PML);
	ASSERT_TRUE(value >> 32 & C_PROC2_EPT);
	ASSERT_EQ(0, l1_set_msr(vcpu, MSR_VMX_PROCBASED2, had));
	ASSERT_EQ(0, l1_get_msr(vcpu, MSR_VMX_PROCBASED2, &value));
	ASSERT_FALSE(value >> 32 & C_PROC2_PML);
	ASSERT_EQ(0, l1_get_msr(vcpu, MSR_VMX_TRUE_PIN, &value));
	ASSERT_FALSE(value >> 32 & C_PIN_TIMER);
	put(page, E_PROC, get(page, E_PROC, 4) | C_PROC_SECONDARY, 4);
	put(page, E_PROC2, C_PROC2_PML, 4);
	enter(_metadata, l1, page, true);
	ASSERT_TRUE(l1_failed_valid(l1, 0)) TH_LOG("the number is in the page");
	ASSERT_EQ(7, get(page, E_ERROR, 4));
	ASSERT_EQ(0xdead, get(page, E_REASON, 4));
}

/* #UD, which this L1 does not survive. */
static void check_undefined(struct __test_metadata *_metadata, struct l1 *l1, uint64_t gpa)
{
	name(l1, gpa);
	l1_add(l1, L1_ENTER, 0, 0);
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, l1_run(l1));
}

TEST_F(nested_evmcs, no_page)
{
	check_undefined(_metadata, &self->l1, 0xdeadbeef);
}

TEST_F(nested_evmcs, no_memory)
{
	check_undefined(_metadata, &self->l1, NOT_MEMORY);
}

TEST_F(nested_evmcs, no_whole_page)
{
	check_undefined(_metadata, &self->l1, gpa_of(EVMCS) + 8);
}

/* A guest without Hyper-V's interface does not have its MSRs, though userspace has. */
TEST_F(nested_evmcs, msrs_take_cpuid)
{
	struct l1 *l1 = &self->l1;
	uint64_t *list = bench_low(&l1->bench, L1_INVEPT_GPA), value = 0;
	uint8_t *page = self->evmcs;

	list[0] = HV_MSR_GUEST_OS_ID;
	list[1] = 1;
	put(page, 336, L1_INVEPT_GPA, 8); /* vm_entry_msr_load_addr, and its count */
	put(page, 396, 1, 4);
	ASSERT_EQ(L1_EXITED, enter(_metadata, l1, page, true));
	ASSERT_EQ(0x80000000 | 34, get(page, E_REASON, 4));
	ASSERT_EQ(0, l1_get_msr(&l1->bench.vcpu[0], HV_MSR_GUEST_OS_ID, &value));
	ASSERT_EQ(0, value);
	ASSERT_EQ(0, l1_set_msr(&l1->bench.vcpu[0], HV_MSR_GUEST_OS_ID, 7));
	ASSERT_EQ(0, l1_get_msr(&l1->bench.vcpu[0], HV_MSR_GUEST_OS_ID, &value));
	ASSERT_EQ(7, value);
}

/* Nor does the list of an exit store what RDMSR would not read: the CPU's VMX abort. */
TEST_F(nested_evmcs, stored_msrs_take_cpuid)
{
	struct l1 *l1 = &self->l1;
	uint64_t *list = bench_low(&l1->bench, L1_INVEPT_GPA);
	uint8_t *page = self->evmcs;

	list[0] = MSR_FS_BASE;
	list[1] = 1;
	put(page, E_STORE_LIST, L1_INVEPT_GPA, 8);
	put(page, E_STORE_COUNT, 1, 4);
	check_exit(_metadata, l1, page, true, get(page, E_GUEST_RSP, 8));
	ASSERT_EQ(0, list[1]);
	list[0] = HV_MSR_GUEST_OS_ID;
	list[1] = 1;
	l1_add(l1, L1_ENTER, 1, 0);
	put(page, E_GUEST_RIP, L1_L2_CODE_GPA, 8);
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, l1_run(l1));
	ASSERT_EQ(1, list[1]);
}

TEST_HARNESS_MAIN
