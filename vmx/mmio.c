// SPDX-License-Identifier: GPL-2.0
/*
 * An access to what is not memory: the instruction is fetched and decoded, and
 * the local APIC or userspace answers it.
 */
#include <asm/apicdef.h>
#include <asm/msr-index.h>

#include "vmx/vmx.h"

struct code {
	u8 bytes[INSN_MAX];
	unsigned int n;
};

/* 16, 32 or 64. */
static unsigned int code_bits(struct vcpu *vcpu)
{
	if (vmx_in_64bit(vcpu))
		return 64;
	return vmread(GUEST_CS_AR_BYTES) & SEG_AR_DB ? 32 : 16;
}

static gva_t code_address(unsigned int bits)
{
	u64 rip = vmread(GUEST_RIP);

	return bits == 64 ? rip : (u32)(vmread(GUEST_CS_BASE) + rip);
}

/* Reads on to the end of the page or of the longest instruction. */
static int fetch_page(struct vcpu *vcpu, gva_t gva, struct code *code)
{
	unsigned int len = min_t(u64, INSN_MAX - code->n, PAGE_SIZE - offset_in_page(gva));
	gpa_t gpa;
	int ret = guest_translate(vcpu, gva, &gpa);

	ret = ret ?: guest_read(vcpu, gpa, code->bytes + code->n, len);
	if (!ret)
		code->n += len;
	return ret;
}

static int fetch_and_decode(struct vcpu *vcpu, struct code *code, struct insn *insn)
{
	unsigned int bits = code_bits(vcpu);
	gva_t gva = code_address(bits);
	int ret = fetch_page(vcpu, gva, code);

	if (ret)
		return ret;
	ret = insn_decode(code->bytes, code->n, bits, insn);
	if (ret != -EAGAIN || code->n == INSN_MAX)
		return ret;
	ret = fetch_page(vcpu, gva + code->n, code);
	return ret ?: insn_decode(code->bytes, code->n, bits, insn);
}

/* The instruction is beyond us: userspace gets its bytes. */
static int emulation_failed(struct vcpu *vcpu, const struct code *code)
{
	struct kvm_run *run = vcpu->run;

	exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags =
		code->n ? KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES : 0;
	run->emulation_failure.insn_size = code->n;
	memset(run->emulation_failure.insn_bytes, 0x90, INSN_MAX);
	memcpy(run->emulation_failure.insn_bytes, code->bytes, code->n);
	return EXIT_TO_USER;
}

int mmio_impossible(struct vcpu *vcpu)
{
	const struct code none = {};

	return emulation_failed(vcpu, &none);
}

static void finish_load(struct vcpu *vcpu, const struct insn *insn, u64 data)
{
	unsigned int reg = insn->high_byte ? insn->reg & 3 : insn->reg;

	gpr_write(vcpu, reg, insn_load_result(insn, gpr_read(vcpu, reg), data));
}

static u64 store_value(const struct vcpu *vcpu, const struct insn *insn)
{
	unsigned int reg = insn->high_byte ? insn->reg & 3 : insn->reg;

	return insn_store_value(insn, insn->has_imm ? 0 : gpr_read(vcpu, reg));
}

/* VM_EXIT_INSTRUCTION_LEN is not given for EPT violations (SDM 3C 28.2.5): ours is. */
static void skip_decoded(struct vcpu *vcpu, const struct insn *insn)
{
	u64 rip = vmread(GUEST_RIP) + insn->len;

	vmwrite(GUEST_RIP, vmx_in_64bit(vcpu) ? rip : (u32)rip);
	/* MOV SS or STI before it hold back nothing any more. */
	vmwrite(GUEST_INTERRUPTIBILITY_INFO,
		vmread(GUEST_INTERRUPTIBILITY_INFO) &
			~(u64)(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS));
}

bool io_is_current(const struct vcpu *vcpu)
{
	return vmread(GUEST_RIP) == vcpu->vmx->io.rip;
}

static int complete_load(struct vcpu *vcpu)
{
	const struct insn *insn = &vcpu->vmx->io.insn;
	u64 data = 0;

	if (!io_is_current(vcpu))
		return ENTER_AGAIN;
	memcpy(&data, vcpu->run->mmio.data, insn->mem_size);
	finish_load(vcpu, insn, data);
	skip_decoded(vcpu, insn);
	return ENTER_AGAIN;
}

static int ask_userspace(struct vcpu *vcpu, gpa_t gpa, const struct insn *insn)
{
	struct io_pending *io = &vcpu->vmx->io;
	struct kvm_run *run = vcpu->run;
	u64 value;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = insn->mem_size;
	run->mmio.is_write = insn->store;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (insn->store) {
		value = store_value(vcpu, insn);
		memcpy(run->mmio.data, &value, insn->mem_size);
		skip_decoded(vcpu, insn);
	} else {
		io->complete = complete_load;
		io->rip = vmread(GUEST_RIP);
		io->insn = *insn;
	}
	return EXIT_TO_USER;
}

static bool in_apic_page(const struct vcpu *vcpu, gpa_t gpa)
{
	return vcpu->apic && (vcpu->msrs.apic_base & MSR_IA32_APICBASE_ENABLE) &&
	       ((gpa ^ vcpu->msrs.apic_base) & PAGE_MASK) == 0;
}

/* Registers are 32 bits wide and aligned (SDM 3A 11.4.1). 0 or -EOPNOTSUPP. */
static int access_apic(struct vcpu *vcpu, gpa_t gpa, const struct insn *insn)
{
	u32 offset = offset_in_page(gpa);
	int ret = 0;

	if (insn->mem_size != 4 || (offset & 15))
		return -EOPNOTSUPP;
	if (insn->store)
		ret = lapic_write(vcpu->apic, offset, store_value(vcpu, insn));
	else
		finish_load(vcpu, insn, lapic_read(vcpu->apic, offset));
	if (!ret)
		skip_decoded(vcpu, insn);
	return ret;
}

int mmio_emulate(struct vcpu *vcpu, gpa_t gpa)
{
	struct code code = {};
	struct insn insn;

	/* Delivering an event touched it: there is no instruction to emulate. */
	if (vcpu->vmx->event.info)
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV);
	if (fetch_and_decode(vcpu, &code, &insn) || offset_in_page(gpa) + insn.mem_size > PAGE_SIZE)
		return emulation_failed(vcpu, &code);
	if (!in_apic_page(vcpu, gpa))
		return ask_userspace(vcpu, gpa, &insn);
	return access_apic(vcpu, gpa, &insn) ? emulation_failed(vcpu, &code) : ENTER_AGAIN;
}
