// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's x87 and SSE state, kept by the kernel's guest-fpstate functions
 * and swapped with the thread's around KVM_RUN.
 *
 * Userspace's struct kvm_fpu goes through the format in which the kernel gives
 * and takes such state: what XSAVE leaves out because it is initial would be
 * stale in the state's own memory.
 */
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>

#include "vmx/vmx.h"

#define FCW_RESET   0x37f
#define MXCSR_RESET 0x1f80

static unsigned int image_size(const struct vcpu_vmx *vmx)
{
	return max_t(unsigned int, vmx->fpu.uabi_size, sizeof(struct xregs_state));
}

/* All of the guest's state, in the vCPU's buffer for it. */
static struct xregs_state *image_get(struct vcpu_vmx *vmx)
{
	fpu_copy_guest_fpstate_to_uabi(&vmx->fpu, vmx->fpu_image, image_size(vmx),
				       vmx->fpu.xfeatures, 0);
	return vmx->fpu_image;
}

void vcpu_get_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu)
{
	const struct fxregs_state *fx = &image_get(vcpu->vmx)->i387;

	*fpu = (struct kvm_fpu){
		.fcw = fx->cwd,
		.fsw = fx->swd,
		.ftwx = fx->twd,
		.last_opcode = fx->fop,
		.last_ip = fx->rip,
		.last_dp = fx->rdp,
		.mxcsr = fx->mxcsr,
	};
	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
}

int vcpu_set_fpu(struct vcpu *vcpu, const struct kvm_fpu *fpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	struct xregs_state *image = image_get(vmx);
	struct fxregs_state *fx = &image->i387;
	u32 pkru;

	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	fx->mxcsr = fpu->mxcsr;
	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	image->header.xfeatures |= XFEATURE_MASK_FPSSE;
	return fpu_copy_uabi_to_guest_fpstate(&vmx->fpu, image,
					      vmx->fpu.xfeatures | XFEATURE_MASK_FPSSE, &pkru);
}

int guest_fpu_create(struct vcpu *vcpu)
{
	const struct kvm_fpu reset = { .fcw = FCW_RESET, .mxcsr = MXCSR_RESET };
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (!fpu_alloc_guest_fpstate(&vmx->fpu))
		return -ENOMEM;
	vmx->fpu_image = kvzalloc(image_size(vmx), GFP_KERNEL_ACCOUNT);
	if (!vmx->fpu_image)
		return -ENOMEM;
	return vcpu_set_fpu(vcpu, &reset);
}

void guest_fpu_destroy(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (vmx->fpu.fpstate)
		fpu_free_guest_fpstate(&vmx->fpu);
	kvfree(vmx->fpu_image);
}
