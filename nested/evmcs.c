// SPDX-License-Identifier: GPL-2.0
/*
 * The enlightened VMCS's fields to struct vmcs12 and back, by one table.
 */
#include "nested/evmcs.h"

#define IN   1
#define OUT  2
#define BOTH (IN | OUT)

struct row {
	u16 evmcs, vmcs12; /* offsets */
	u16 group;
	u8 bytes;
	u8 way;
};

#define EVMCS_FIELD(name, group, way) \
	static_assert(sizeof_field(struct hv_enlightened_vmcs, name) == \
		      sizeof_field(struct vmcs12, name));
#include "nested/evmcs_fields.h"

static const struct row rows[] = {
#define EVMCS_FIELD(name, group, way) \
	{ offsetof(struct hv_enlightened_vmcs, name), offsetof(struct vmcs12, name), \
	  HV_VMX_ENLIGHTENED_CLEAN_FIELD_##group, sizeof_field(struct vmcs12, name), way },
#include "nested/evmcs_fields.h"
};

#define RUN(first, last) \
	{ \
		offsetof(struct hv_enlightened_vmcs, first), \
			offsetofend(struct hv_enlightened_vmcs, last) - \
				offsetof(struct hv_enlightened_vmcs, first) \
	}

const struct evmcs_run evmcs_runs[EVMCS_RUNS] = {
	RUN(guest_es_selector, guest_idtr_base),
	RUN(guest_ia32_pat, guest_sysenter_cs),
	RUN(guest_cr0, guest_dr7),
	RUN(guest_physical_address, exit_qualification),
	RUN(guest_linear_address, guest_interruptibility_info),
	RUN(vm_entry_controls, vm_entry_instruction_len),
	RUN(guest_rip, guest_rip),
};

/* Those that are in several groups are clean where all of these are. */
static bool is_clean(const struct row *row, u32 clean)
{
	return row->group && (clean & row->group) == row->group;
}

void evmcs_to_vmcs12(struct vmcs12 *v, const struct hv_enlightened_vmcs *e, u32 clean)
{
	const struct row *row;

	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)
		if ((row->way & IN) && !is_clean(row, clean))
			memcpy((u8 *)v + row->vmcs12, (const u8 *)e + row->evmcs, row->bytes);
}

void evmcs_from_vmcs12(struct hv_enlightened_vmcs *e, const struct vmcs12 *v)
{
	const struct row *row;

	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)
		if (row->way & OUT)
			memcpy((u8 *)e + row->evmcs, (const u8 *)v + row->vmcs12, row->bytes);
}
