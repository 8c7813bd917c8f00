/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Version 1 of the enlightened VMCS: a page of L1's in Hyper-V's layout (TLFS,
 * HV_VMX_ENLIGHTENED_VMCS), which L1 reads and writes as memory, between it and
 * struct vmcs12.
 *
 * Pure: bytes, no VMX.  Who calls has a copy of the page: L1 may write there meanwhile.
 */
#ifndef VELLUM_NESTED_EVMCS_H
#define VELLUM_NESTED_EVMCS_H

#include <asm/hyperv-tlfs.h>

#include "nested/vmcs12.h"

#define EVMCS_VERSION 1

/*
 * What an entry reads: fields whose group is not among @clean, HV_VMX_ENLIGHTENED_CLEAN_FIELD_*.
 * All others of @v stay as they are.
 */
void evmcs_to_vmcs12(struct vmcs12 *v, const struct hv_enlightened_vmcs *e, u32 clean);

/* What an exit, or a failed entry, leaves there.  Nothing else of @e is changed. */
void evmcs_from_vmcs12(struct hv_enlightened_vmcs *e, const struct vmcs12 *v);

/* The bytes that this changes, as they lie together. */
struct evmcs_run {
	u16 from, bytes;
};

#define EVMCS_RUNS 7
extern const struct evmcs_run evmcs_runs[EVMCS_RUNS];

#endif
