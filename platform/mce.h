/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Machine checks: the MSRs of SDM 3B 16.3 and what an error that userspace
 * reports does to them.  Pure; whom it interrupts is vmx/mce.c's.
 */
#ifndef VELLUM_PLATFORM_MCE_H
#define VELLUM_PLATFORM_MCE_H

#include "types.h"

#define MCE_BANKS_MAX 32

/* IA32_MCG_CAP: number of banks, and what there is besides. */
#define MCE_CAP_BANKS	0xffull
#define MCE_CAP_CTL_P	BIT_ULL(8)  /* IA32_MCG_CTL */
#define MCE_CAP_CMCI_P	BIT_ULL(10) /* IA32_MCi_CTL2, and an interrupt for corrected errors */
#define MCE_CAP_EXT_CNT 0xff0000ull /* registers that IA32_MCG_EXT would have */
#define MCE_CAP_SER_P	BIT_ULL(24) /* software recovery: S and AR of a status */

#define MCE_STATUS_MCIP BIT_ULL(2) /* of IA32_MCG_STATUS: a machine check is being handled */

struct mce_bank {
	u64 reg[4]; /* IA32_MCi_CTL, _STATUS, _ADDR, _MISC */
	u64 ctl2;
};

struct mce_model {
	u64 cap;
	u64 status;
	u64 ctl;
	struct mce_bank bank[MCE_BANKS_MAX];
};

/* What an error asks for beyond the record of it. */
enum mce_effect {
	MCE_SILENT,    /* recorded, or lost where reporting is off */
	MCE_INTERRUPT, /* by the local APIC's LVT CMCI */
	MCE_EXCEPTION, /* #MC */
	MCE_SHUTDOWN,
};

/* As a vCPU is made: banks that report nothing. */
void mce_reset(struct mce_model *model);
/* KVM_X86_SETUP_MCE with what of @supported.  0, or -EINVAL and nothing changed. */
int mce_setup(struct mce_model *model, u64 cap, u64 supported);
/* One of the MSRs here, whether or not this model has so many banks. */
bool mce_has_msr(u32 index);
/* 0, or -EINVAL: not there, or a value that makes WRMSR fault.  @host: KVM_SET_MSRS. */
int mce_get_msr(const struct mce_model *model, u32 index, u64 *value);
int mce_set_msr(struct mce_model *model, u32 index, u64 value, bool host);
/* KVM_X86_SET_MCE.  @enabled: CR4.MCE.  An enum mce_effect, or -EINVAL. */
int mce_report(struct mce_model *model, const struct kvm_x86_mce *error, bool enabled);

#endif
