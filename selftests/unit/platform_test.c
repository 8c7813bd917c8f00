// SPDX-License-Identifier: GPL-2.0
/*
 * CPUID and MSRs as a guest sees them, on a machine whose
 * features the test makes up.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "platform/hyperv.h"
#include "platform/msr.h"
#include "platform/msr_filter.h"
#include "platform/xsave.h"
#include "tap.h"

static struct cpuid_features host = {
	.ecx_1 = 1u << 26 | 1u << 31, /* XSAVE, hypervisor */
	.edx_1 = ~0u,
	.ebx_7 = 1 << 7 | 1 << 20, /* SMEP, SMAP */
	.ecx_7 = 1 << 2,	   /* UMIP */
	.edx_80000001 = 1 << 11 | 1 << 20 | 1 << 29,
};

int msr_feature(u32 index, u64 *value)
{
	*value = 0x2b;
	return index == MSR_IA32_ARCH_CAPABILITIES ? 0 : -ENOENT;
}

void cpuid_host_features(struct cpuid_features *features)
{
	*features = host;
}

static const struct kvm_cpuid_entry2 table[] = {
	{ .function = 0, .eax = 7, .ebx = 0x756e6547 },
	{ .function = 1, .eax = 0x50654, .ecx = 1u << 26, .edx = 1 << 9 },
	{ .function = 4, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 0x21 },
	{ .function = 4, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 0x22 },
	{ .function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = 1 << 7, .edx = 0x77 },
	{ .function = 0x40000000, .eax = 0x40000000, .ebx = 0x4b },
	{ .function = 0x80000000, .eax = 0x80000008 },
	{ .function = 0x80000001, .edx = 1 << 20 },
	{ .function = 0x80000008, .eax = 0x3028 },
};

/* CPUID's answer: EAX, EBX, ECX, EDX. */
struct answer {
	u32 a, b, c, d;
};

static struct answer executed(const struct cpuid_model *model, const struct cpuid_state *state,
			      u32 leaf, u32 index)
{
	const struct kvm_cpuid_entry2 *found = cpuid_answer(model, leaf, index);
	struct kvm_cpuid_entry2 now = *found;

	if (cpuid_follows_state(found->function))
		now = cpuid_follow(model, found, state);
	return (struct answer){ now.eax, now.ebx, now.ecx, now.edx };
}

static struct answer execute(const struct cpuid_model *model, u64 cr4, u32 leaf, u32 index)
{
	const struct cpuid_state state = { .cr4 = cr4, .xcr0 = XCR0_X87, .apic = true };

	return executed(model, &state, leaf, index);
}

TEST(cpuid_leaves)
{
	struct cpuid_model model;
	struct answer r;

	cpuid_init(&model);
	CHECK_EQ(execute(&model, 0, 0, 0).a, 0); /* nothing was set yet */
	REQUIRE(!cpuid_set(&model, table, ARRAY_SIZE(table)));
	CHECK_EQ(execute(&model, 0, 0, 0).b, 0x756e6547);
	CHECK_EQ(execute(&model, 0, 4, 0).a, 0x21);
	CHECK_EQ(execute(&model, 0, 4, 1).a, 0x22);
	CHECK_EQ(execute(&model, 0, 4, 2).a, 0);
	CHECK_EQ(execute(&model, 0, 3, 0).a, 0); /* in range, not in the table */
	CHECK_EQ(execute(&model, 0, 0x40000000, 9).b, 0x4b);
	/* Beyond its range: as the highest basic leaf, sub-leaf and all. */
	r = execute(&model, 0, 8, 0);
	CHECK_EQ(r.d, 0x77);
	CHECK_EQ(execute(&model, 0, 0x80000009, 0).d, 0x77);
	CHECK_EQ(execute(&model, 0, 0xc0000000, 1).d, 0);
	cpuid_free(&model);
}

TEST(cpuid_follows_state)
{
	struct cpuid_model model;
	struct cpuid_state state = { .xcr0 = XCR0_X87 };

	cpuid_init(&model);
	REQUIRE(!cpuid_set(&model, table, ARRAY_SIZE(table)));
	CHECK_EQ(execute(&model, 0, 1, 0).c, 1u << 26);
	CHECK_EQ(execute(&model, X86_CR4_OSXSAVE, 1, 0).c, 1u << 26 | 1 << 27);
	CHECK_EQ(execute(&model, 0, 1, 0).d, 1 << 9);
	CHECK_EQ(executed(&model, &state, 1, 0).d, 0); /* the APIC is off */
	CHECK(!(executed(&model, &state, 1, 0).c & 1 << 3));
	state.own_mwait = true;
	CHECK(!(executed(&model, &state, 1, 0).c & 1 << 3));
	state.mwait = true;
	CHECK(executed(&model, &state, 1, 0).c & 1 << 3);
	cpuid_free(&model);
}

#define BY_INDEX KVM_CPUID_FLAG_SIGNIFCANT_INDEX

static const struct kvm_cpuid_entry2 xsave_table[] = {
	{ .function = 0, .eax = 0xd },
	{ .function = 1, .ecx = 1u << 26 },
	{ .function = 0xd, .flags = BY_INDEX, .eax = 0xe7, .ecx = 2688 },
	{ .function = 0xd, .index = 1, .flags = BY_INDEX, .eax = 2, .ebx = 1 },
	{ .function = 0xd, .index = 2, .flags = BY_INDEX, .eax = 256, .ebx = 576 },
	{ .function = 0xd, .index = 5, .flags = BY_INDEX, .eax = 64, .ebx = 1088 },
	{ .function = 0xd, .index = 6, .flags = BY_INDEX, .eax = 512, .ebx = 1152 },
	{ .function = 0xd, .index = 7, .flags = BY_INDEX, .eax = 1024, .ebx = 1664,
	  .ecx = 2 },
};

/* What the SDM's tables and real CPUs of that kind say. */
TEST(xsave_sizes)
{
	struct cpuid_state state = { .xcr0 = XCR0_X87 };
	struct cpuid_model model;

	host.xcr0 = 0xe7;
	cpuid_init(&model);
	REQUIRE(!cpuid_set(&model, xsave_table, ARRAY_SIZE(xsave_table)));
	CHECK_EQ(model.xcr0_bits, 0xe7);
	CHECK_EQ(executed(&model, &state, 0xd, 0).b, 576);
	state.xcr0 = 3;
	CHECK_EQ(executed(&model, &state, 0xd, 0).b, 576);
	state.xcr0 = 7;
	CHECK_EQ(executed(&model, &state, 0xd, 0).b, 832);
	CHECK_EQ(executed(&model, &state, 0xd, 1).b, 832);
	state.xcr0 = 0xe7;
	CHECK_EQ(executed(&model, &state, 0xd, 0).b, 2688);
	CHECK_EQ(executed(&model, &state, 0xd, 0).c, 2688);
	/* Compacted: 576 + 256 + 64 + 512 = 1408, which is a multiple of 64 already. */
	CHECK_EQ(executed(&model, &state, 0xd, 1).b, 2432);
	CHECK_EQ(executed(&model, &state, 0xd, 2).b, 576);
	CHECK_EQ(xsave_size(xsave_table, ARRAY_SIZE(xsave_table), 0x83, true), 1600);
	/* The table's own part of what the machine has. */
	host.xcr0 = 0x7;
	REQUIRE(!cpuid_set(&model, xsave_table, ARRAY_SIZE(xsave_table)));
	CHECK_EQ(model.xcr0_bits, 7);
	host.xcr0 = 0;
	REQUIRE(!cpuid_set(&model, xsave_table, ARRAY_SIZE(xsave_table)));
	CHECK_EQ(executed(&model, &state, 0xd, 0).b, 0); /* as it was given */
	cpuid_free(&model);
}

TEST(xcr0)
{
	CHECK(xcr0_is_valid(1, 0));
	CHECK(!xcr0_is_valid(0, 7));
	CHECK(!xcr0_is_valid(2, 7)); /* no x87 */
	CHECK(xcr0_is_valid(3, 7));
	CHECK(!xcr0_is_valid(5, 7)); /* AVX without SSE */
	CHECK(xcr0_is_valid(7, 7));
	CHECK(!xcr0_is_valid(7, 3));
	CHECK(!xcr0_is_valid(0x27, 0xe7)); /* a part of AVX-512 */
	CHECK(!xcr0_is_valid(0xe3, 0xe7)); /* without AVX */
	CHECK(xcr0_is_valid(0xe7, 0xe7));
	CHECK(!xcr0_is_valid(1ull << 63 | 1, ~0ull >> 1));
}

TEST(cpuid_same_table)
{
	struct kvm_cpuid_entry2 copy[ARRAY_SIZE(table)];
	struct cpuid_model model;

	cpuid_init(&model);
	REQUIRE(!cpuid_set(&model, table, ARRAY_SIZE(table)));
	memcpy(copy, table, sizeof(table));
	copy[3].padding[1] = 7;
	CHECK(cpuid_is_same(&model, copy, ARRAY_SIZE(table)));
	CHECK(!cpuid_is_same(&model, copy, ARRAY_SIZE(table) - 1));
	copy[3].edx ^= 1;
	CHECK(!cpuid_is_same(&model, copy, ARRAY_SIZE(table)));
	cpuid_free(&model);
}

TEST(cpuid_rights)
{
	struct cpuid_model model;

	cpuid_init(&model);
	CHECK(model.cr4_guest_bits & X86_CR4_SMAP);
	CHECK(model.cr4_guest_bits & X86_CR4_OSXSAVE);
	CHECK(!(model.cr4_guest_bits & X86_CR4_VMXE));
	CHECK_EQ(model.efer_bits, EFER_SCE | EFER_LME | EFER_LMA | EFER_NX);
	REQUIRE(!cpuid_set(&model, table, ARRAY_SIZE(table)));
	CHECK(model.cr4_guest_bits & X86_CR4_SMEP);
	CHECK(!(model.cr4_guest_bits & X86_CR4_SMAP)); /* the host has it, the table not */
	CHECK_EQ(model.efer_bits, EFER_NX);
	CHECK_EQ(model.maxphyaddr, 40);
	cpuid_free(&model);
}

TEST(cpuid_refused)
{
	struct kvm_cpuid_entry2 odd[] = {
		{ .function = 0x80000000, .eax = 0x80000008 },
		{ .function = 0x80000008, .eax = 0x3035 }, /* 53 bits */
	};
	struct cpuid_model model;

	cpuid_init(&model);
	REQUIRE(!cpuid_set(&model, table, ARRAY_SIZE(table)));
	CHECK_EQ(cpuid_set(&model, odd, ARRAY_SIZE(odd)), -EINVAL);
	odd[1].eax = 0x2828; /* 40 linear bits */
	CHECK_EQ(cpuid_set(&model, odd, ARRAY_SIZE(odd)), -EINVAL);
	CHECK_EQ(model.nr, ARRAY_SIZE(table)); /* as it was */
	odd[1].eax = 0x3030;
	CHECK_EQ(cpuid_set(&model, odd, ARRAY_SIZE(odd)), 0);
	CHECK_EQ(model.maxphyaddr, 48);
	CHECK_EQ(cpuid_set(&model, NULL, 0), 0);
	CHECK_EQ(model.maxphyaddr, 36);
	cpuid_free(&model);
}

struct msr_case {
	u32 index;
	u64 value;
	bool host;
	int ret;
};

static const struct msr_case msr_cases[] = {
	{ MSR_IA32_APICBASE, 0xfee00800, false, 0 },
	{ MSR_IA32_APICBASE, 1 << 11, true, 0 },
	{ MSR_IA32_APICBASE, 1 << 9, true, -EINVAL }, /* reserved */
	{ MSR_IA32_APICBASE, 1ull << 36 | 1 << 11, true, -EINVAL }, /* beyond MAXPHYADDR */
	{ MSR_IA32_CR_PAT, 0x0007040600070406, false, 0 },
	{ MSR_IA32_CR_PAT, 2, false, -EINVAL },
	{ MSR_IA32_CR_PAT, 3ull << 56, false, -EINVAL },
	{ MSR_IA32_MISC_ENABLE, 1 << 11 | 1 << 12, false, 0 },
	{ MSR_IA32_MISC_ENABLE, 0, false, -EINVAL },
	{ MSR_IA32_MISC_ENABLE, 1 << 11 | 1 << 12 | 1 << 18, false, 0 }, /* MONITOR */
	{ MSR_IA32_MISC_ENABLE, 1ull << 34, true, -EINVAL }, /* XD disable */
	{ MSR_TSC_AUX, 0xffffffff, false, 0 },
	{ MSR_TSC_AUX, 1ull << 32, true, -EINVAL },
	{ 0xfe, 0x508, true, 0 },   /* MTRRCAP, as it is */
	{ 0xfe, 0x508, false, -EINVAL }, /* but read-only */
	{ 0x2ff, 0xc06, false, 0 },
	{ 0x2ff, 0x1006, false, -EINVAL },
	{ 0x2ff, 2, false, -EINVAL },
	{ 0x250, 0x0606060606060606, false, 0 },
	{ 0x26f, 0x0606060606060602, false, -EINVAL },
	{ 0x200, 0x80000006, false, 0 },
	{ 0x200, 0x80000106, false, -EINVAL },
	{ 0x20f, 0xf80000800, false, 0 },
	{ 0x20f, 0x1f80000800, false, -EINVAL },
	{ 0x20f, 0xf80000400, false, -EINVAL },
	{ 0x210, 0, true, -ENOENT },
	{ 0x251, 0, true, -ENOENT },
	{ MSR_EFER, 0, true, -ENOENT }, /* vmx/'s */
	{ 0xdeadbeef, 0, true, -ENOENT },
	{ MSR_PLATFORM_INFO, 0xff00, true, 0 },
	{ MSR_PLATFORM_INFO, 1ull << 31, false, -EINVAL },
	{ MSR_IA32_UCODE_REV, 5ull << 32, true, 0 },
	{ MSR_IA32_ARCH_CAPABILITIES, 9, true, 0 },
	{ MSR_IA32_ARCH_CAPABILITIES, 9, false, -EINVAL },
	{ MSR_MISC_FEATURES_ENABLES, 1, false, 0 },
	{ MSR_MISC_FEATURES_ENABLES, 2, false, -EINVAL },
	{ MSR_IA32_POWER_CTL, 0x1234, false, 0 },
	{ MSR_IA32_FEAT_CTL, 0, true, 0 },
	{ MSR_IA32_FEAT_CTL, 1, false, -EINVAL }, /* locked */
	{ MSR_IA32_FEAT_CTL, 5, true, -EINVAL },  /* VMX */
	{ MSR_SMI_COUNT, 3, false, -EINVAL },
	{ MSR_IA32_PLATFORM_ID, 0, false, -EINVAL },
	{ MSR_IA32_DEBUGCTLMSR, 4, false, -EINVAL },
};

TEST(msr_values)
{
	struct cpuid_model cpuid;

	cpuid_init(&cpuid);
	for (size_t i = 0; i < ARRAY_SIZE(msr_cases); i++) {
		const struct msr_case *c = &msr_cases[i];
		struct msr_model model;
		u64 value;
		int ret;

		msr_reset(&model, true);
		ret = msr_set(&model, &cpuid, c->index, c->value, c->host);
		CHECK_MSG(ret == c->ret, "%#x = %#llx: %d", c->index, c->value, ret);
		if (ret)
			continue;
		CHECK(!msr_get(&model, c->index, &value));
		CHECK_EQ(value, c->value);
	}
}

/* What a guest reads by habit is there, what it writes by habit is no fault. */
TEST(msr_facts)
{
	struct cpuid_model cpuid;
	struct msr_model model;
	u64 value = 1;

	cpuid_init(&cpuid);
	msr_reset(&model, true);
	CHECK(!msr_get(&model, MSR_IA32_PLATFORM_ID, &value));
	CHECK_EQ(value, 0);
	CHECK(!msr_get(&model, MSR_FSB_FREQ, &value));
	CHECK_EQ(value, 3);
	CHECK(!msr_get(&model, MSR_IA32_LASTINTTOIP, &value));
	CHECK_EQ(msr_get(&model, MSR_IA32_UCODE_WRITE, &value), -EINVAL);
	CHECK(!msr_set(&model, &cpuid, MSR_IA32_UCODE_WRITE, 0xffff888000000000, false));
	CHECK(!msr_set(&model, &cpuid, MSR_IA32_DEBUGCTLMSR, 3, false));
	CHECK(!msr_get(&model, MSR_IA32_DEBUGCTLMSR, &value));
	CHECK_EQ(value, 0); /* in vain */
	CHECK(!msr_set(&model, &cpuid, MSR_P6_EVNTSEL1, 0x530000, false));
	/* The microcode revision stays what the owner gave. */
	CHECK(!msr_set(&model, &cpuid, MSR_IA32_UCODE_REV, 0, false));
	CHECK(!msr_get(&model, MSR_IA32_UCODE_REV, &value));
	CHECK_EQ(value, 1ull << 32);
	CHECK_EQ(msr_get(&model, 0xdeadbeef, &value), -ENOENT);
}

TEST(msr_cpuid_faulting)
{
	struct cpuid_model cpuid;
	struct msr_model model;

	cpuid_init(&cpuid);
	msr_reset(&model, true);
	CHECK(!msr_set(&model, &cpuid, MSR_MISC_FEATURES_ENABLES, 1, false));
	/* In use: it cannot be taken away. */
	CHECK_EQ(msr_set(&model, &cpuid, MSR_PLATFORM_INFO, 0, true), -EINVAL);
	CHECK(!msr_set(&model, &cpuid, MSR_MISC_FEATURES_ENABLES, 0, false));
	CHECK(!msr_set(&model, &cpuid, MSR_PLATFORM_INFO, 0, true));
	CHECK_EQ(msr_set(&model, &cpuid, MSR_MISC_FEATURES_ENABLES, 1, false), -EINVAL);
	/* Unlocked by the owner, written once, locked. */
	CHECK(!msr_set(&model, &cpuid, MSR_IA32_FEAT_CTL, 0, true));
	CHECK(!msr_set(&model, &cpuid, MSR_IA32_FEAT_CTL, 1, false));
	CHECK_EQ(msr_set(&model, &cpuid, MSR_IA32_FEAT_CTL, 0, false), -EINVAL);
}

/* Where the guest has VMX, firmware has left the lock to the system. */
TEST(feature_control)
{
	static const struct kvm_cpuid_entry2 with_vmx[] = {
		{ .function = 0, .eax = 1 },
		{ .function = 1, .ecx = CPUID_1_ECX_VMX },
	};
	const u64 vmx = FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX;
	struct cpuid_features without = host;
	struct cpuid_model cpuid = {};
	struct msr_model model;

	host.ecx_1 |= CPUID_1_ECX_VMX;
	CHECK(!cpuid_set(&cpuid, with_vmx, ARRAY_SIZE(with_vmx)));
	CHECK(cpuid.cr4_guest_bits & X86_CR4_VMXE);
	msr_reset(&model, true);
	CHECK_EQ(model.feature_control, 0);
	CHECK(!msr_set(&model, &cpuid, MSR_IA32_FEAT_CTL, vmx, false));
	CHECK_EQ(msr_set(&model, &cpuid, MSR_IA32_FEAT_CTL, vmx | 2, false), -EINVAL);
	CHECK(!msr_set(&model, &cpuid, MSR_IA32_FEAT_CTL, vmx | FEAT_CTL_LOCKED, false));
	CHECK_EQ(msr_set(&model, &cpuid, MSR_IA32_FEAT_CTL, vmx, false), -EINVAL);
	cpuid_free(&cpuid);
	host = without;
	msr_reset(&model, true);
	CHECK_EQ(model.feature_control, FEAT_CTL_LOCKED);
}

TEST(msr_filter)
{
	unsigned long low[2] = { ~0ul ^ 1ul << 10, ~0ul }, high[1] = { 0 };
	struct msr_filter filter = {
		.default_allow = true,
		.nr = 2,
		.ranges = {
			{ .flags = KVM_MSR_FILTER_READ, .base = 0x100, .nmsrs = 65, .bitmap = low },
			{ .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, .base = 0xffffffff,
			  .nmsrs = 1, .bitmap = high },
		},
	};

	CHECK(msr_filter_allows(&filter, 0x100, KVM_MSR_FILTER_READ));
	CHECK(!msr_filter_allows(&filter, 0x10a, KVM_MSR_FILTER_READ));
	CHECK(msr_filter_allows(&filter, 0x10a, KVM_MSR_FILTER_WRITE)); /* not about writes */
	CHECK(msr_filter_allows(&filter, 0x140, KVM_MSR_FILTER_READ));	/* the last bit */
	CHECK(msr_filter_allows(&filter, 0xff, KVM_MSR_FILTER_READ));
	CHECK(!msr_filter_allows(&filter, 0xffffffff, KVM_MSR_FILTER_WRITE));
	CHECK(msr_filter_allows(&filter, 0, KVM_MSR_FILTER_READ)); /* nothing wraps */
	filter.default_allow = false;
	CHECK(!msr_filter_allows(&filter, 0xff, KVM_MSR_FILTER_READ));
	CHECK(!msr_filter_allows(&filter, 0x141, KVM_MSR_FILTER_READ));
	CHECK(!msr_filter_allows(&filter, 0x10a, KVM_MSR_FILTER_WRITE));
	CHECK(msr_filter_allows(&filter, 0x800, KVM_MSR_FILTER_WRITE)); /* x2APIC */
	CHECK(msr_filter_allows(&filter, 0x8ff, KVM_MSR_FILTER_READ));
	CHECK(!msr_filter_allows(&filter, 0x900, KVM_MSR_FILTER_READ));
}

/* TLFS, "Feature and Interface Discovery": what is offered is what vmx/hyperv.c has, no more. */
TEST(hyperv_leaves)
{
	struct kvm_cpuid_entry2 entries[HYPERV_CPUID_LEAVES + 1];

	memset(entries, 0xff, sizeof(entries));
	CHECK_EQ(hyperv_cpuid(entries, HYPERV_CPUID_LEAVES - 1, 4, 0x101), -E2BIG);
	CHECK_EQ(hyperv_cpuid(entries, HYPERV_CPUID_LEAVES, 4, 0x101), HYPERV_CPUID_LEAVES);
	for (u32 i = 0; i < HYPERV_CPUID_LEAVES; i++) {
		CHECK_EQ(entries[i].function, 0x40000000 + i);
		CHECK_EQ(entries[i].flags, 0);
	}
	CHECK_EQ(entries[HYPERV_CPUID_LEAVES].function, ~0u);
	CHECK_EQ(entries[0].eax, 0x4000000a);
	CHECK(!memcmp(&entries[0].ebx, "Linux KVM Hv", 12));
	CHECK(!memcmp(&entries[1].eax, "Hv#1", 4));
	/* The APIC's MSRs, the hypercall's two, the index. */
	CHECK_EQ(entries[3].eax, 1 << 4 | 1 << 5 | 1 << 6);
	CHECK_EQ(entries[3].ebx | entries[3].ecx | entries[3].edx, 0);
	CHECK_EQ(entries[4].eax, 1 << 14);
	CHECK_EQ(entries[5].eax, 4);
	/* Versions 1 to 1, and the enlightened MSR bitmap. */
	CHECK_EQ(entries[10].eax, 0x101 | 1 << 19);
	CHECK_EQ(hyperv_cpuid(entries, HYPERV_CPUID_LEAVES, 4, 0), HYPERV_CPUID_LEAVES);
	CHECK_EQ(entries[4].eax | entries[10].eax, 0);
}

/* All of the list that is not vmx/'s can be saved and restored on another vCPU. */
TEST(msr_list)
{
	struct msr_model from, to;
	struct cpuid_model cpuid;
	unsigned int here = 0, elsewhere = 0;

	cpuid_init(&cpuid);
	msr_reset(&from, true);
	msr_reset(&to, false);
	for (unsigned int i = 0; i < msr_index_count; i++) {
		u64 value;

		if (msr_get(&from, msr_index_list[i], &value))
			continue;
		here++;
		CHECK_MSG(!msr_set(&to, &cpuid, msr_index_list[i], value, true), "%#x",
			  msr_index_list[i]);
	}
	/* The list begins with those of vmx/. */
	while (elsewhere < msr_index_count && msr_index_list[elsewhere] != MSR_IA32_APICBASE)
		elsewhere++;
	CHECK_EQ(here, msr_index_count - elsewhere);
	CHECK(!memcmp(&from, &to, sizeof(from)));
}
