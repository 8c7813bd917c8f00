// SPDX-License-Identifier: GPL-2.0
/*
 * Guest-state fields of vmcs12 whose value is vmcs02's too.  What vmcs02 holds is
 * known from the last exit, so that only what L1 has changed is written; and most
 * are not even looked at where L1 wrote none of them.
 */
#include "nested/nested.h"

#define DIRECT VMCS12_OFFSET
/* Of each segment register. */
#define SEGMENTS(FIELD, name) \
	DIRECT(GUEST_ES_##FIELD, guest_es_##name), DIRECT(GUEST_CS_##FIELD, guest_cs_##name), \
		DIRECT(GUEST_SS_##FIELD, guest_ss_##name), \
		DIRECT(GUEST_DS_##FIELD, guest_ds_##name), \
		DIRECT(GUEST_FS_##FIELD, guest_fs_##name), \
		DIRECT(GUEST_GS_##FIELD, guest_gs_##name), \
		DIRECT(GUEST_LDTR_##FIELD, guest_ldtr_##name), \
		DIRECT(GUEST_TR_##FIELD, guest_tr_##name)

/* clang-format off */
/* By their bytes in struct vmcs12; those that L1 writes all the time first. */
static const struct vmcs12_offset direct[] = {
	DIRECT(GUEST_CR3, guest_cr3), DIRECT(GUEST_RIP, guest_rip), DIRECT(GUEST_RSP, guest_rsp),
	DIRECT(GUEST_RFLAGS, guest_rflags),
	DIRECT(GUEST_PENDING_DBG_EXCEPTIONS, guest_pending_dbg_exceptions),
#define OFTEN 5
	DIRECT(GUEST_GDTR_BASE, guest_gdtr_base), DIRECT(GUEST_IDTR_BASE, guest_idtr_base),
	DIRECT(GUEST_SYSENTER_ESP, guest_sysenter_esp),
	DIRECT(GUEST_SYSENTER_EIP, guest_sysenter_eip),
	SEGMENTS(BASE, base),
#define END_64 17
	DIRECT(GUEST_INTERRUPTIBILITY_INFO, guest_interruptibility_info),
	DIRECT(GUEST_SYSENTER_CS, guest_sysenter_cs),
	DIRECT(GUEST_GDTR_LIMIT, guest_gdtr_limit), DIRECT(GUEST_IDTR_LIMIT, guest_idtr_limit),
	SEGMENTS(LIMIT, limit), SEGMENTS(AR_BYTES, ar_bytes),
#define END_32 37
	SEGMENTS(SELECTOR, selector),
#define END_16 45
};

/* clang-format on */

static_assert(ARRAY_SIZE(direct) == END_16 && END_16 <= NESTED_DIRECT_MAX);

void direct_written(struct nested *n, u64 field)
{
	unsigned int i;

	if (VMCS_TYPE(field) != VMCS_GUEST)
		return;
	for (i = 0; i < OFTEN; i++)
		if (direct[i].field == field)
			return;
	n->direct_changed = true;
}

/* @bytes is a constant: these are copies of one instruction. */
static __always_inline void to_vmcs02(struct nested *n, unsigned int i, unsigned int end,
				      unsigned int bytes)
{
	for (; i < end; i++) {
		u64 value = 0;

		memcpy(&value, (u8 *)n->vmcs12 + direct[i].offset, bytes);
		/* CR3 is the one that others reach for: it is written at every entry. */
		if (n->known_valid && n->known[i] == value && i)
			continue;
		vmwrite(direct[i].field, value);
		n->known[i] = value;
	}
}

void direct_to_vmcs02(struct nested *n)
{
	to_vmcs02(n, 0, OFTEN, 8);
	if (n->direct_changed || !n->known_valid) {
		to_vmcs02(n, OFTEN, END_64, 8);
		to_vmcs02(n, END_64, END_32, 4);
		to_vmcs02(n, END_32, END_16, 2);
	}
	n->direct_changed = false;
	n->known_valid = true;
}

static __always_inline void from_vmcs02(struct nested *n, unsigned int i, unsigned int end,
					unsigned int bytes)
{
	for (; i < end; i++) {
		n->known[i] = vmread(direct[i].field);
		memcpy((u8 *)n->vmcs12 + direct[i].offset, &n->known[i], bytes);
	}
}

void direct_from_vmcs02(struct nested *n)
{
	from_vmcs02(n, 0, END_64, 8);
	from_vmcs02(n, END_64, END_32, 4);
	from_vmcs02(n, END_32, END_16, 2);
	n->direct_changed = false;
}
