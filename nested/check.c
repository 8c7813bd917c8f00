// SPDX-License-Identifier: GPL-2.0
/*
 * VM entry's checks on controls and host state (SDM 3C 27.2).
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "nested/bits.h"
#include "nested/ept12.h"

static bool has_pin(const struct check *c, u32 control)
{
	return c->v->pin_based_vm_exec_control & control;
}

static bool has_exit(const struct check *c, u32 control)
{
	return c->v->vm_exit_controls & control;
}

/* Aligned to its page and within the address width, both of which hardware asks of pages. */
static bool is_page(const struct check *c, gpa_t gpa)
{
	return PAGE_ALIGNED(gpa) && fits(gpa, c->maxphyaddr);
}

/* Each word of controls keeps to its capability MSR. */
static const char *check_words(const struct check *c)
{
	const struct vmcs12 *v = c->v;

	if (!nested_allows(c->caps->pinbased, v->pin_based_vm_exec_control))
		return "reserved pin-based controls";
	if (!nested_allows(c->caps->procbased, v->cpu_based_vm_exec_control))
		return "reserved processor-based controls";
	if (!nested_allows(c->caps->procbased2, secondary_of(v)))
		return "reserved secondary controls";
	if (!nested_allows(c->caps->exit, v->vm_exit_controls))
		return "reserved VM-exit controls";
	if (!nested_allows(c->caps->entry, v->vm_entry_controls))
		return "reserved VM-entry controls";
	return NULL;
}

/* What the primary controls and the pin-based ones ask for.  SDM 3C 27.2.1.1. */
static const char *check_primary(const struct check *c)
{
	const struct vmcs12 *v = c->v;

	if (v->cr3_target_count > MISC_CR3_TARGETS(c->caps->misc))
		return "too many CR3-target values";
	if (has_primary(v, CPU_BASED_USE_IO_BITMAPS) &&
	    !(is_page(c, v->io_bitmap_a) && is_page(c, v->io_bitmap_b)))
		return "I/O bitmap address";
	if (has_primary(v, CPU_BASED_USE_MSR_BITMAPS) && !is_page(c, v->msr_bitmap))
		return "MSR bitmap address";
	if (!has_pin(c, PIN_BASED_NMI_EXITING) && has_pin(c, PIN_BASED_VIRTUAL_NMIS))
		return "virtual NMIs without NMI exiting";
	if (!has_pin(c, PIN_BASED_VIRTUAL_NMIS) && has_primary(v, CPU_BASED_NMI_WINDOW_EXITING))
		return "NMI-window exiting without virtual NMIs";
	return NULL;
}

/* TPR shadow, APIC accesses, virtual interrupts. */
static const char *check_apic(const struct check *c)
{
	const struct vmcs12 *v = c->v;
	const u32 by_tpr_shadow = SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |
				  SECONDARY_EXEC_APIC_REGISTER_VIRT |
				  SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;

	if (has_primary(v, CPU_BASED_TPR_SHADOW)) {
		if (!is_page(c, v->virtual_apic_page_addr))
			return "virtual-APIC address";
		if (!has_secondary(v, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) &&
		    (v->tpr_threshold & ~0xfu))
			return "TPR threshold";
	} else if (has_secondary(v, by_tpr_shadow)) {
		return "APIC virtualization without TPR shadow";
	}
	if (has_secondary(v, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES)) {
		if (!is_page(c, v->apic_access_addr))
			return "APIC-access address";
		if (has_secondary(v, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE))
			return "APIC accesses and x2APIC mode, both virtualized";
	}
	if (has_secondary(v, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) &&
	    !has_pin(c, PIN_BASED_EXT_INTR_MASK))
		return "virtual interrupts without external-interrupt exiting";
	if (has_pin(c, PIN_BASED_POSTED_INTR) &&
	    !(has_secondary(v, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) &&
	      has_exit(c, VM_EXIT_ACK_INTR_ON_EXIT) && v->posted_intr_nv < 256 &&
	      !(v->posted_intr_desc_addr & 63) && fits(v->posted_intr_desc_addr, c->maxphyaddr)))
		return "posted interrupts";
	return NULL;
}

/* EPT and what needs it, VPID, VM functions, shadow VMCSs. */
static const char *check_secondary(const struct check *c)
{
	const struct vmcs12 *v = c->v;

	if (has_secondary(v, SECONDARY_EXEC_ENABLE_VPID) && !v->virtual_processor_id)
		return "VPID 0";
	if (has_secondary(v, SECONDARY_EXEC_ENABLE_EPT) &&
	    !ept12_eptp_is_valid(v->ept_pointer, c->caps->ept_vpid, c->maxphyaddr))
		return "EPT pointer";
	if (has_secondary(v,
			  SECONDARY_EXEC_UNRESTRICTED_GUEST | SECONDARY_EXEC_MODE_BASED_EPT_EXEC) &&
	    !has_secondary(v, SECONDARY_EXEC_ENABLE_EPT))
		return "unrestricted guest or mode-based execute without EPT";
	if (has_secondary(v, SECONDARY_EXEC_ENABLE_PML) &&
	    !(has_secondary(v, SECONDARY_EXEC_ENABLE_EPT) && is_page(c, v->pml_address)))
		return "PML";
	if (has_secondary(v, SECONDARY_EXEC_SHADOW_VMCS) &&
	    !(is_page(c, v->vmread_bitmap) && is_page(c, v->vmwrite_bitmap)))
		return "VMREAD or VMWRITE bitmap address";
	if (!has_secondary(v, SECONDARY_EXEC_ENABLE_VMFUNC))
		return NULL;
	if (v->vm_function_control & ~c->caps->vmfunc)
		return "reserved VM functions";
	if ((v->vm_function_control & VMX_VMFUNC_EPTP_SWITCHING) &&
	    !(has_secondary(v, SECONDARY_EXEC_ENABLE_EPT) && is_page(c, v->eptp_list_address)))
		return "EPTP switching";
	return NULL;
}

/* An MSR area: 16 bytes an element, all of them within the address width. */
static bool is_msr_area(const struct check *c, gpa_t gpa, u32 count)
{
	if (!count)
		return true;
	return !(gpa & 15) && fits(gpa, c->maxphyaddr) &&
	       fits(gpa + (u64)count * 16 - 1, c->maxphyaddr);
}

/* SDM 3C 27.2.1.2, and the area of 27.2.1.3. */
static const char *check_exit(const struct check *c)
{
	const struct vmcs12 *v = c->v;

	if (!has_pin(c, PIN_BASED_VMX_PREEMPTION_TIMER) &&
	    has_exit(c, VM_EXIT_SAVE_VMX_PREEMPTION_TIMER))
		return "save preemption timer without the timer";
	if (!is_msr_area(c, v->vm_exit_msr_store_addr, v->vm_exit_msr_store_count))
		return "VM-exit MSR-store area";
	if (!is_msr_area(c, v->vm_exit_msr_load_addr, v->vm_exit_msr_load_count))
		return "VM-exit MSR-load area";
	if (!is_msr_area(c, v->vm_entry_msr_load_addr, v->vm_entry_msr_load_count))
		return "VM-entry MSR-load area";
	return NULL;
}

/* Exceptions that push an error code. */
#define WITH_ERROR_CODE (BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17))

/* The event to be injected: SDM 3C 27.2.1.3. */
static const char *check_event(const struct check *c)
{
	const struct vmcs12 *v = c->v;
	u32 info = v->vm_entry_intr_info_field, vector = info & INTR_INFO_VECTOR_MASK;
	u32 type = info & INTR_INFO_INTR_TYPE_MASK, length = v->vm_entry_instruction_len;
	bool real =
		has_secondary(v, SECONDARY_EXEC_UNRESTRICTED_GUEST) && !(v->guest_cr0 & X86_CR0_PE);
	bool with_code = type == INTR_TYPE_HARD_EXCEPTION && !real && vector < 32 &&
			 (WITH_ERROR_CODE >> vector & 1);

	if (!(info & INTR_INFO_VALID_MASK))
		return NULL;
	if (type == EVENT_RESERVED ||
	    (type == EVENT_OTHER && !(c->caps->procbased >> 32 & CPU_BASED_MONITOR_TRAP_FLAG)))
		return "type of the injected event";
	if ((type == INTR_TYPE_NMI_INTR && vector != 2) ||
	    (type == INTR_TYPE_HARD_EXCEPTION && vector > 31) || (type == EVENT_OTHER && vector))
		return "vector of the injected event";
	if (!!(info & INTR_INFO_DELIVER_CODE_MASK) != with_code)
		return "error code with the injected event, or none";
	if (info & EVENT_INFO_RESERVED)
		return "reserved bits of the injected event";
	/* Bit 15 is SGX's, which is not offered. */
	if (with_code && v->vm_entry_exception_error_code & GENMASK(31, 15))
		return "error code of the injected event";
	if (is_software_event(type) &&
	    (length > 15 || (!length && !(c->caps->misc & MISC_ZERO_LENGTH))))
		return "length of the injected event's instruction";
	return NULL;
}

const char *check_controls(const struct check *c)
{
	const char *broken = check_words(c);

	broken = broken ?: check_primary(c);
	broken = broken ?: check_apic(c);
	broken = broken ?: check_secondary(c);
	broken = broken ?: check_exit(c);
	return broken ?: check_event(c);
}

bool check_reads_vtpr(const struct vmcs12 *v)
{
	return has_primary(v, CPU_BASED_TPR_SHADOW) &&
	       !has_secondary(v, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY |
					 SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES);
}

const char *check_vtpr(const struct vmcs12 *v, u32 vtpr)
{
	return (v->tpr_threshold & 0xf) > (vtpr >> 4 & 0xf) ? "TPR threshold above VTPR" : NULL;
}

/* SDM 3C 27.2.2. */
static const char *check_host_registers(const struct check *c)
{
	const struct vmcs12 *v = c->v;
	bool long_host = has_exit(c, VM_EXIT_HOST_ADDR_SPACE_SIZE);

	if (!nested_is_fixed(v->host_cr0, c->caps->cr0_fixed0, c->caps->cr0_fixed1))
		return "host CR0";
	if (!nested_is_fixed(v->host_cr4, c->caps->cr4_fixed0, c->caps->cr4_fixed1))
		return "host CR4";
	if (!fits(v->host_cr3, c->maxphyaddr))
		return "host CR3";
	if (!gva_is_canonical(v->host_ia32_sysenter_esp) ||
	    !gva_is_canonical(v->host_ia32_sysenter_eip))
		return "host SYSENTER";
	if (has_exit(c, VM_EXIT_LOAD_IA32_PAT) && !is_pat(v->host_ia32_pat))
		return "host PAT";
	if (has_exit(c, VM_EXIT_LOAD_IA32_EFER) &&
	    ((v->host_ia32_efer & ~c->efer) || !(v->host_ia32_efer & EFER_LMA) == long_host ||
	     !(v->host_ia32_efer & EFER_LME) == long_host))
		return "host EFER";
	return NULL;
}

/* SDM 3C 27.2.3: RPL and TI are clear, and what must be there is. */
static const char *check_host_segments(const struct check *c)
{
	const struct vmcs12 *v = c->v;
	u16 any = v->host_cs_selector | v->host_ss_selector | v->host_ds_selector |
		  v->host_es_selector | v->host_fs_selector | v->host_gs_selector |
		  v->host_tr_selector;

	if (any & SELECTOR_RPL_TI)
		return "RPL or TI of a host selector";
	if (!v->host_cs_selector || !v->host_tr_selector)
		return "null host CS or TR";
	if (!v->host_ss_selector && !has_exit(c, VM_EXIT_HOST_ADDR_SPACE_SIZE))
		return "null host SS";
	if (!gva_is_canonical(v->host_fs_base) || !gva_is_canonical(v->host_gs_base) ||
	    !gva_is_canonical(v->host_gdtr_base) || !gva_is_canonical(v->host_idtr_base) ||
	    !gva_is_canonical(v->host_tr_base))
		return "base of a host segment";
	return NULL;
}

/* SDM 3C 27.2.4. */
static const char *check_address_space(const struct check *c)
{
	const struct vmcs12 *v = c->v;
	bool long_host = has_exit(c, VM_EXIT_HOST_ADDR_SPACE_SIZE);

	if (long_host != c->long_mode)
		return "host address-space size is not that of the mode";
	if (long_host) {
		if (!(v->host_cr4 & X86_CR4_PAE))
			return "64-bit host without PAE";
		return gva_is_canonical(v->host_rip) ? NULL : "host RIP";
	}
	if (v->vm_entry_controls & VM_ENTRY_IA32E_MODE)
		return "IA-32e mode guest of a 32-bit host";
	if (v->host_cr4 & X86_CR4_PCIDE)
		return "32-bit host with PCIDs";
	return v->host_rip >> 32 ? "host RIP" : NULL;
}

const char *check_host(const struct check *c)
{
	const char *broken = check_host_registers(c);

	broken = broken ?: check_host_segments(c);
	return broken ?: check_address_space(c);
}

#define X2APIC_MSRS 0x800u /* to 0x8ff */

/* The x2APIC's registers, and what SMM has to itself. */
static bool is_forbidden(u64 index)
{
	return index >> 32 || index >> 8 == X2APIC_MSRS >> 8 || index == MSR_IA32_SMM_MONITOR_CTL ||
	       index == MSR_IA32_SMBASE;
}

bool check_may_load_msr(u64 index)
{
	return !is_forbidden(index) && index != MSR_FS_BASE && index != MSR_GS_BASE &&
	       index != MSR_IA32_UCODE_WRITE && index != MSR_IA32_UCODE_REV;
}

bool check_may_store_msr(u64 index)
{
	return !is_forbidden(index);
}
