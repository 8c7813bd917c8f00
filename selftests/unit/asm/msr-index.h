/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's names for the few MSRs and EFER bits that the pure files of
 * platform/ use (SDM 4 table 2-2); userspace has no such header.
 */
#ifndef VELLUM_UNIT_ASM_MSR_INDEX_H
#define VELLUM_UNIT_ASM_MSR_INDEX_H

#define EFER_SCE (1ull << 0)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define EFER_NX	 (1ull << 11)

#define MSR_IA32_TSC		   0x10
#define MSR_IA32_PLATFORM_ID	   0x17
#define MSR_IA32_APICBASE	   0x1b
#define MSR_IA32_EBL_CR_POWERON	   0x2a
#define MSR_EBC_FREQUENCY_ID	   0x2c
#define MSR_SMI_COUNT		   0x34
#define MSR_IA32_FEAT_CTL	   0x3a
#define MSR_IA32_TSC_ADJUST	   0x3b
#define MSR_IA32_SMM_MONITOR_CTL   0x9b
#define MSR_IA32_SMBASE		   0x9e
#define MSR_IA32_UCODE_WRITE	   0x79
#define MSR_IA32_UCODE_REV	   0x8b
#define MSR_P6_PERFCTR0		   0xc1
#define MSR_P6_PERFCTR1		   0xc2
#define MSR_FSB_FREQ		   0xcd
#define MSR_PLATFORM_INFO	   0xce
#define MSR_IA32_ARCH_CAPABILITIES 0x10a
#define MSR_IA32_BBL_CR_CTL3	   0x11e
#define MSR_MISC_FEATURES_ENABLES  0x140
#define MSR_IA32_SYSENTER_CS	   0x174
#define MSR_IA32_SYSENTER_ESP	   0x175
#define MSR_IA32_SYSENTER_EIP	   0x176
#define MSR_IA32_MCG_CAP	   0x179
#define MSR_IA32_MCG_STATUS	   0x17a
#define MSR_IA32_MCG_CTL	   0x17b
#define MSR_P6_EVNTSEL0		   0x186
#define MSR_P6_EVNTSEL1		   0x187
#define MSR_IA32_PERF_STATUS	   0x198
#define MSR_IA32_PERF_CTL	   0x199
#define MSR_IA32_MISC_ENABLE	   0x1a0
#define MSR_IA32_DEBUGCTLMSR	   0x1d9
#define MSR_IA32_LASTBRANCHFROMIP  0x1db
#define MSR_IA32_LASTINTTOIP	   0x1de
#define MSR_IA32_POWER_CTL	   0x1fc
#define MSR_IA32_CR_PAT		   0x277
#define MSR_IA32_MC0_CTL2	   0x280
#define MSR_IA32_MC0_CTL	   0x400
#define MSR_RAPL_POWER_UNIT	   0x606
#define MSR_PKG_ENERGY_STATUS	   0x611
#define MSR_DRAM_ENERGY_STATUS	   0x619
#define MSR_PP0_ENERGY_STATUS	   0x639
#define MSR_PP1_ENERGY_STATUS	   0x641
#define MSR_IA32_TSC_DEADLINE	   0x6e0
#define MSR_IA32_VMX_BASIC	       0x480
#define MSR_IA32_VMX_PINBASED_CTLS       0x481
#define MSR_IA32_VMX_PROCBASED_CTLS      0x482
#define MSR_IA32_VMX_EXIT_CTLS	       0x483
#define MSR_IA32_VMX_ENTRY_CTLS	       0x484
#define MSR_IA32_VMX_MISC	       0x485
#define MSR_IA32_VMX_CR0_FIXED0	       0x486
#define MSR_IA32_VMX_CR0_FIXED1	       0x487
#define MSR_IA32_VMX_CR4_FIXED0	       0x488
#define MSR_IA32_VMX_CR4_FIXED1	       0x489
#define MSR_IA32_VMX_VMCS_ENUM	       0x48a
#define MSR_IA32_VMX_PROCBASED_CTLS2     0x48b
#define MSR_IA32_VMX_EPT_VPID_CAP	       0x48c
#define MSR_IA32_VMX_TRUE_PINBASED_CTLS  0x48d
#define MSR_IA32_VMX_TRUE_PROCBASED_CTLS 0x48e
#define MSR_IA32_VMX_TRUE_EXIT_CTLS      0x48f
#define MSR_IA32_VMX_TRUE_ENTRY_CTLS     0x490
#define MSR_IA32_VMX_VMFUNC	       0x491
#define MSR_EFER		   0xc0000080
#define MSR_STAR		   0xc0000081
#define MSR_LSTAR		   0xc0000082
#define MSR_CSTAR		   0xc0000083
#define MSR_SYSCALL_MASK	   0xc0000084
#define MSR_FS_BASE		   0xc0000100
#define MSR_GS_BASE		   0xc0000101
#define MSR_KERNEL_GS_BASE	   0xc0000102
#define MSR_TSC_AUX		   0xc0000103

/* IA32_VMX_BASIC */
#define VMX_BASIC_INOUT		  (1ull << 54)
#define VMX_BASIC_TRUE_CTLS	  (1ull << 55)

#define FEAT_CTL_LOCKED			      (1ull << 0)
#define FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX      (1ull << 2)
#define MSR_MISC_FEATURES_ENABLES_CPUID_FAULT (1ull << 0)

#endif
