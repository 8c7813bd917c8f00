// SPDX-License-Identifier: GPL-2.0
/*
 * The VMX capability MSRs that a guest hypervisor is offered, and what userspace may
 * make of them.
 */
#include <asm/msr-index.h>

#include "nested/caps.h"
#include "nested/vmcs12.h"
#include "tap.h"

/* A CPU that has it all, and one that has nothing but what every CPU has. */
static const struct nested_caps full = {
	.basic = 0xda040000000012,
	.pinbased = 0xff00000016,
	.procbased = 0xfff9fffe04006172,
	.procbased2 = 0xffffffff00000000,
	.exit = 0xffffff00036dfb,
	.entry = 0xfffff000011fb,
	.misc = 0x7004c1e7,
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = 0x2000,
	.cr4_fixed1 = 0x3767ff,
	.ept_vpid = 0xf0106734141,
	.vmfunc = 1,
};

static const struct nested_caps bare = {
	.pinbased = 0x1600000016,
	.procbased = 0x0401e1720401e172,
	.exit = 0x36dff00036dff,
	.entry = 0x11ff000011ff,
};

static const struct nested_means means = {
	.ept = true,
	.vpid = true,
	.unrestricted_guest = true,
	.timer_rate = 5,
};

static u64 get(const struct nested_caps *caps, u32 index)
{
	u64 value = 0xdead;

	CHECK_EQ(nested_caps_get(caps, index, &value), 0);
	return value;
}

#define FIRST MSR_IA32_VMX_BASIC
#define LAST  MSR_IA32_VMX_VMFUNC

TEST(all_of_them_are_there)
{
	struct nested_caps offer = nested_caps_offer(&full, &means);
	u64 value = 42;

	for (u32 index = FIRST; index <= LAST; index++)
		CHECK_EQ(nested_caps_get(&offer, index, &value), 0);
	value = 42;
	CHECK_EQ(-nested_caps_get(&offer, FIRST - 1, &value), ENOENT);
	CHECK_EQ(-nested_caps_get(&offer, LAST + 1, &value), ENOENT);
	CHECK_EQ(value, 42);
	CHECK_EQ(-nested_caps_set(&offer, &offer, LAST + 1, 0), ENOENT);
}

TEST(basic)
{
	struct nested_caps offer = nested_caps_offer(&full, &means);

	CHECK_EQ((u32)offer.basic, VMCS12_REVISION);
	CHECK_EQ(offer.basic >> 32 & 0x1fff, 4096);
	CHECK_EQ(offer.basic >> 48 & 3, 0);  /* 64-bit addresses, no dual-monitor treatment */
	CHECK_EQ(offer.basic >> 50 & 15, 6); /* write-back */
	CHECK(offer.basic & VMX_BASIC_INOUT);
	CHECK(offer.basic & VMX_BASIC_TRUE_CTLS);
	CHECK(!(nested_caps_offer(&bare, &means).basic & VMX_BASIC_INOUT));
	CHECK_EQ(MISC_TIMER_RATE(offer.misc), 5);
	CHECK_EQ(offer.vmcs_enum, vmcs12_highest_index() << 1);
}

/*
 * What may be 1: the default1 controls, which must or may be, and of the others none
 * that the CPU lacks.
 */
TEST(never_more_than_the_cpu_has)
{
	struct nested_caps offer = nested_caps_offer(&bare, &(struct nested_means){});

	CHECK_EQ(get(&offer, MSR_IA32_VMX_PINBASED_CTLS), 0x1600000016);
	CHECK_EQ(get(&offer, MSR_IA32_VMX_PROCBASED_CTLS), 0x0401e1720401e172);
	CHECK_EQ(get(&offer, MSR_IA32_VMX_EXIT_CTLS), 0x36dff00036dff);
	CHECK_EQ(get(&offer, MSR_IA32_VMX_ENTRY_CTLS), 0x11ff000011ff);
	CHECK_EQ(offer.procbased2, 0);
	CHECK_EQ(offer.ept_vpid, 0);
	CHECK_EQ(offer.vmfunc, 0);
}

TEST(controls)
{
	struct nested_caps offer = nested_caps_offer(&full, &means);
	const u64 words[] = { offer.pinbased, offer.procbased, offer.procbased2, offer.exit,
			      offer.entry };

	for (int i = 0; i < ARRAY_SIZE(words); i++)
		CHECK(!((u32)words[i] & ~(words[i] >> 32))); /* what must be 1 may be */
	CHECK(nested_allows(offer.pinbased, 0x16));
	CHECK(nested_allows(offer.pinbased, 0x17 | PIN_BASED_NMI_EXITING));
	CHECK(!nested_allows(offer.pinbased, 0x14));
	CHECK(!nested_allows(offer.pinbased, 0x16 | PIN_BASED_POSTED_INTR));
	/* The true ones let CR3 accesses and debug controls alone, the others do not. */
	CHECK(nested_allows(offer.procbased, 0x04006172));
	CHECK(!nested_allows(get(&offer, MSR_IA32_VMX_PROCBASED_CTLS), 0x04006172));
	CHECK(nested_allows(get(&offer, MSR_IA32_VMX_PROCBASED_CTLS), 0x0401e172));
	CHECK(nested_allows(offer.exit, 0x36dfb));
	CHECK(!nested_allows(get(&offer, MSR_IA32_VMX_EXIT_CTLS), 0x36dfb));
	CHECK(nested_allows(offer.entry, 0x11fb));
	CHECK(!nested_allows(get(&offer, MSR_IA32_VMX_ENTRY_CTLS), 0x11fb));
}

TEST(vmcs_shadowing)
{
	struct nested_means some = means;

	some.vmcs_shadowing = false;
	CHECK(!(nested_caps_offer(&full, &some).procbased2 >> 32 & SECONDARY_EXEC_SHADOW_VMCS));
	some.vmcs_shadowing = true; /* in software: the CPU need not have it */
	CHECK(nested_caps_offer(&bare, &some).procbased2 >> 32 & SECONDARY_EXEC_SHADOW_VMCS);
}

/* PML is L1's where its EPT has A/D bits, and done in software. */
TEST(pml)
{
	struct nested_means some = means;

	CHECK(nested_caps_offer(&bare, &some).ept_vpid & VMX_EPT_AD_BIT);
	CHECK(nested_caps_offer(&bare, &some).procbased2 >> 32 & SECONDARY_EXEC_ENABLE_PML);
	some.ept = false;
	CHECK(!(nested_caps_offer(&full, &some).procbased2 >> 32 & SECONDARY_EXEC_ENABLE_PML));
}

/* Without the control there is no exit, and without an EPT nothing to be switched. */
TEST(vm_functions)
{
	const u64 control = (u64)SECONDARY_EXEC_ENABLE_VMFUNC << 32;
	struct nested_caps offer = nested_caps_offer(&full, &means), host = full;
	struct nested_means some = means;

	CHECK(offer.procbased2 & control);
	CHECK_EQ(offer.vmfunc, VMX_VMFUNC_EPTP_SWITCHING);
	host.vmfunc = 0; /* in software: which functions the CPU has is its own affair */
	CHECK_EQ(nested_caps_offer(&host, &means).vmfunc, VMX_VMFUNC_EPTP_SWITCHING);
	host = full;
	host.procbased2 &= ~control;
	offer = nested_caps_offer(&host, &means);
	CHECK(!(offer.procbased2 & control));
	CHECK_EQ(offer.vmfunc, 0);
	some.ept = false;
	offer = nested_caps_offer(&full, &some);
	CHECK(!(offer.procbased2 & control));
	CHECK_EQ(offer.vmfunc, 0);
}

/* What the enlightened VMCS has no field for goes, from TLFS and SDM 3D A; all else stays. */
TEST(an_enlightened_vmcs_lacks)
{
	const struct nested_caps offer = nested_caps_offer(&full, &means);
	const u32 lacks[] = { SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES, SECONDARY_EXEC_ENABLE_PML,
			      SECONDARY_EXEC_ENABLE_VMFUNC, SECONDARY_EXEC_TSC_SCALING };
	struct nested_caps caps = offer;
	u64 gone = 0;

	nested_caps_enlighten(&caps);
	for (int i = 0; i < ARRAY_SIZE(lacks); i++) {
		CHECK(offer.procbased2 >> 32 & lacks[i]);
		gone |= (u64)lacks[i] << 32;
	}
	CHECK_EQ(caps.procbased2, offer.procbased2 & ~gone);
	CHECK_EQ(caps.pinbased, offer.pinbased & ~((u64)PIN_BASED_VMX_PREEMPTION_TIMER << 32));
	CHECK(caps.pinbased != offer.pinbased);
	CHECK_EQ(caps.exit, offer.exit & ~((u64)VM_EXIT_SAVE_VMX_PREEMPTION_TIMER << 32));
	CHECK(caps.exit != offer.exit);
	CHECK_EQ(caps.vmfunc, 0);
	CHECK_EQ(caps.procbased, offer.procbased);
	CHECK_EQ(caps.entry, offer.entry);
	CHECK_EQ(caps.ept_vpid, offer.ept_vpid);
	/* Nor can shadowing be had, where that was offered. */
	caps = (struct nested_caps){ .procbased2 = ~0ull << 32 };
	nested_caps_enlighten(&caps);
	CHECK(!(caps.procbased2 >> 32 & SECONDARY_EXEC_SHADOW_VMCS));
}

TEST(ept_and_vpid)
{
	struct nested_means some = means;
	struct nested_caps offer = nested_caps_offer(&full, &some);

	CHECK(offer.procbased2 >> 32 & SECONDARY_EXEC_ENABLE_EPT);
	CHECK(offer.procbased2 >> 32 & SECONDARY_EXEC_UNRESTRICTED_GUEST);
	CHECK_EQ(offer.ept_vpid >> 32, 0xf01);
	CHECK(offer.ept_vpid & VMX_EPT_EXECUTE_ONLY_BIT);
	CHECK(!(nested_caps_offer(&bare, &some).ept_vpid & VMX_EPT_EXECUTE_ONLY_BIT));
	some.ept = false;
	offer = nested_caps_offer(&full, &some);
	CHECK_EQ((u32)offer.ept_vpid, 0);
	CHECK(!(offer.procbased2 >> 32 &
		(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST)));
	some.vpid = false;
	offer = nested_caps_offer(&full, &some);
	CHECK_EQ(offer.ept_vpid, 0);
	CHECK(!(offer.procbased2 >> 32 & SECONDARY_EXEC_ENABLE_VPID));
}

static bool may(u32 index, u64 value)
{
	struct nested_caps offer = nested_caps_offer(&full, &means), caps = offer, was = offer;
	int ret = nested_caps_set(&caps, &offer, index, value);

	if (ret) {
		CHECK_EQ(-ret, EINVAL);
		CHECK(!memcmp(&caps, &was, sizeof(caps)));
		return false;
	}
	CHECK_EQ(get(&caps, index), value);
	return true;
}

/* Every MSR's every bit, turned round: who may be taken away, and that none may be added. */
TEST(setting_one_bit)
{
	const struct nested_caps offer = nested_caps_offer(&full, &means);
	const u64 features = BIT_ULL(5) | GENMASK_ULL(8, 6) | BIT_ULL(14) | BIT_ULL(15) |
			     BIT_ULL(28) | BIT_ULL(29) | BIT_ULL(30);

	for (u32 index = FIRST; index <= LAST; index++) {
		u64 value = get(&offer, index);

		for (int bit = 0; bit < 64; bit++) {
			u64 mask = 1ull << bit;
			bool on = value & mask, want = false;

			switch (index) {
			case MSR_IA32_VMX_BASIC:
				want = on && (bit == 49 || bit == 54 || bit == 55);
				break;
			case MSR_IA32_VMX_MISC:
				want = on && (features & mask);
				break;
			case MSR_IA32_VMX_VMCS_ENUM:
				want = true;
				break;
			case MSR_IA32_VMX_CR0_FIXED0:
			case MSR_IA32_VMX_CR4_FIXED0:
				want = !on;
				break;
			case MSR_IA32_VMX_EPT_VPID_CAP:
			case MSR_IA32_VMX_VMFUNC:
				want = on;
				break;
			case MSR_IA32_VMX_PROCBASED_CTLS2:
			case MSR_IA32_VMX_TRUE_PINBASED_CTLS:
			case MSR_IA32_VMX_TRUE_PROCBASED_CTLS:
			case MSR_IA32_VMX_TRUE_EXIT_CTLS:
			case MSR_IA32_VMX_TRUE_ENTRY_CTLS:
				want = bit < 32 ? !on : on;
				break;
			}
			CHECK_MSG(may(index, value ^ mask) == want, "MSR %#x, bit %d", index, bit);
		}
	}
}

TEST(setting_numbers)
{
	struct nested_caps offer = nested_caps_offer(&full, &means), caps;

	offer.misc |= 4 << 16 | 2 << 25;
	caps = offer;
	CHECK_EQ(nested_caps_set(&caps, &offer, MSR_IA32_VMX_MISC, offer.misc - (1 << 16)), 0);
	CHECK_EQ(nested_caps_set(&caps, &offer, MSR_IA32_VMX_MISC, offer.misc - (2 << 25)), 0);
	CHECK_EQ(-nested_caps_set(&caps, &offer, MSR_IA32_VMX_MISC, offer.misc + (1 << 16)),
		 EINVAL);
	CHECK_EQ(-nested_caps_set(&caps, &offer, MSR_IA32_VMX_MISC, offer.misc + (1 << 25)),
		 EINVAL);
	/* What was taken away may come back, as far as it was offered. */
	CHECK_EQ(nested_caps_set(&caps, &offer, MSR_IA32_VMX_MISC, offer.misc), 0);
}

/* The same value again, as when a VM is moved: all but those that follow from others. */
TEST(setting_what_is_there)
{
	const struct nested_caps offer = nested_caps_offer(&full, &means);

	for (u32 index = FIRST; index <= LAST; index++) {
		bool follows =
			(index >= MSR_IA32_VMX_PINBASED_CTLS && index <= MSR_IA32_VMX_ENTRY_CTLS) ||
			index == MSR_IA32_VMX_CR0_FIXED1 || index == MSR_IA32_VMX_CR4_FIXED1;

		CHECK_EQ(may(index, get(&offer, index)), !follows);
	}
}

TEST(fixed_bits)
{
	CHECK(nested_is_fixed(0x2000, 0x2000, 0x3767ff));
	CHECK(nested_is_fixed(0x3767ff, 0x2000, 0x3767ff));
	CHECK(!nested_is_fixed(0, 0x2000, 0x3767ff));
	CHECK(!nested_is_fixed(0x402000, 0x2000, 0x3767ff));
}
