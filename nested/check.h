/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What VM entry checks of a VMCS (SDM 3C 27.2 to 27.4), in software: whatever the
 * CPU would refuse is refused here, since it is never asked about what L1 wrote.
 *
 * Pure.  Each function says which rule is broken, a short sentence for whoever looks
 * for L1's mistake, or NULL.  They are asked in this order; what they cannot see,
 * because it is in L1's memory, the last ones are told.
 */
#ifndef VELLUM_NESTED_CHECK_H
#define VELLUM_NESTED_CHECK_H

#include "nested/caps.h"
#include "nested/vmcs12.h"

struct check {
	const struct vmcs12 *v;
	const struct nested_caps *caps; /* L1's */
	u8 maxphyaddr;			/* L1's */
	bool long_mode;			/* L1 is in IA-32e mode: its IA32_EFER.LMA */
	bool rtm;			/* L1's CPUID has RTM */
	u64 efer, debugctl;		/* bits that its IA32_EFER and IA32_DEBUGCTL may have */
};

/* VMfailValid with VMXERR_ENTRY_INVALID_CONTROL_FIELD.  SDM 3C 27.2.1. */
const char *check_controls(const struct check *c);

/* VMfailValid with VMXERR_ENTRY_INVALID_HOST_STATE_FIELD.  SDM 3C 27.2.2 to 27.2.4. */
const char *check_host(const struct check *c);

/*
 * An exit with EXIT_REASON_INVALID_STATE and bit 31 set, and *qualification.
 * SDM 3C 27.3.1, but for what the VMCS link pointer points to.
 */
const char *check_guest(const struct check *c, u64 *qualification);

/*
 * The TPR threshold against VTPR (offset 80H of the virtual-APIC page), where
 * check_reads_vtpr() says that the CPU compares them: as check_controls().
 */
bool check_reads_vtpr(const struct vmcs12 *v);
const char *check_vtpr(const struct vmcs12 *v, u32 vtpr);

/*
 * The first word of what the VMCS link pointer points to, if that is not ~0: as
 * check_guest(), with ENTRY_FAIL_VMCS_LINK_PTR.
 */
const char *check_link(const struct vmcs12 *v, u32 first);

/*
 * The four PDPTEs that PAE paging starts with, where check_has_pdptes(); from the
 * guest's memory unless EPT is on: as check_guest(), with ENTRY_FAIL_PDPTE.
 */
bool check_has_pdptes(const struct vmcs12 *v);
const char *check_pdptes(const u64 pdpte[4], u8 maxphyaddr);

/*
 * The first half of an element of an MSR area: index, and 32 bits that must be 0
 * (SDM 3C 27.4, 28.4).  Whether WRMSR takes the value is for others to say.
 */
bool check_may_load_msr(u64 index);
bool check_may_store_msr(u64 index);

#endif
