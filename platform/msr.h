/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The MSRs whose values are only numbers to us: checked, stored, given back.
 * Those that the CPU itself switches (FS, GS, EFER, SYSENTER, STAR, …) and the
 * TSC are vmx/msrs.c's, which asks here for the rest.
 */
#ifndef VELLUM_PLATFORM_MSR_H
#define VELLUM_PLATFORM_MSR_H

#include "platform/cpuid.h"

struct msr_model {
	u64 apic_base;
	u64 pat;
	u64 misc_enable;
	u64 tsc_aux;
	u64 mtrr_def_type;
	u64 mtrr_fixed[11];
	u64 mtrr_var[16]; /* base, mask, base, mask, … of 8 */
	u64 platform_info;
	u64 ucode_rev;
	u64 arch_capabilities;
	u64 misc_features; /* IA32_MISC_FEATURES_ENABLES */
	u64 power_ctl;
	u64 feature_control; /* IA32_FEATURE_CONTROL: locked, and nothing in it */
	u64 smi_count;
};

void msr_reset(struct msr_model *model, bool bsp);
/* 0, or -ENOENT for an MSR that is not here. */
int msr_get(const struct msr_model *model, u32 index, u64 *value);
/* 0, -ENOENT: not here, -EINVAL: a value that makes WRMSR fault (SDM 4).  @host: KVM_SET_MSRS. */
int msr_set(struct msr_model *model, const struct cpuid_model *cpuid, u32 index, u64 value,
	    bool host);
/* A legal IA32_PAT: each byte 0, 1, 4, 5, 6 or 7. */
bool msr_pat_valid(u64 value);
/* KVM_GET_MSR_INDEX_LIST: all that KVM_GET_MSRS answers, this file's and vmx/'s. */
extern const u32 msr_index_list[];
extern const unsigned int msr_index_count;
/* KVM_GET_MSR_FEATURE_INDEX_LIST: what KVM_GET_MSRS answers without a VM. */
extern const u32 msr_feature_list[];
extern const unsigned int msr_feature_count;
/* 0, -ENOENT: not in the list, -EINVAL: the host does not have it. */
int msr_feature(u32 index, u64 *value);

#endif
