// SPDX-License-Identifier: GPL-2.0
/*
 * Guest-state fields of vmcs12 whose value is vmcs02's too.  What vmcs02 holds is
 * known from the last exit, so that only what L1 has changed is written.
 */
#include "nested/nested.h"

/* clang-format off */
#define SEGMENT(SEG)                                                           \
	GUEST_##SEG##_SELECTOR, GUEST_##SEG##_BASE, GUEST_##SEG##_LIMIT,       \
	GUEST_##SEG##_AR_BYTES

static const u16 direct[] = {
	SEGMENT(ES), SEGMENT(CS), SEGMENT(SS), SEGMENT(DS), SEGMENT(FS), SEGMENT(GS),
	SEGMENT(LDTR), SEGMENT(TR),
	GUEST_GDTR_BASE, GUEST_GDTR_LIMIT, GUEST_IDTR_BASE, GUEST_IDTR_LIMIT,
	GUEST_SYSENTER_CS, GUEST_SYSENTER_ESP, GUEST_SYSENTER_EIP,
	GUEST_CR3, GUEST_RSP, GUEST_RIP, GUEST_RFLAGS,
	GUEST_PENDING_DBG_EXCEPTIONS, GUEST_INTERRUPTIBILITY_INFO,
};

/* clang-format on */

static_assert(ARRAY_SIZE(direct) <= NESTED_DIRECT_MAX);

/* Where each of them is in struct vmcs12. */
static struct vmcs12_place places[ARRAY_SIZE(direct)] __ro_after_init;

void __init direct_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(direct); i++)
		places[i] = vmcs12_find(direct[i]);
}

void direct_to_vmcs02(struct nested *n)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(direct); i++) {
		u64 value = 0;

		memcpy(&value, (u8 *)n->vmcs12 + places[i].offset, places[i].bytes);
		/* CR3 is the one that others reach for: it is written at every entry. */
		if (n->known_valid && n->known[i] == value && direct[i] != GUEST_CR3)
			continue;
		vmwrite(direct[i], value);
		n->known[i] = value;
	}
	n->known_valid = true;
}

void direct_from_vmcs02(struct nested *n)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(direct); i++) {
		n->known[i] = vmread(direct[i]);
		memcpy((u8 *)n->vmcs12 + places[i].offset, &n->known[i], places[i].bytes);
	}
}
