// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's x87, SSE and extended state, kept by the kernel's guest-fpstate functions
 * and swapped with the thread's around KVM_RUN.
 *
 * Userspace's struct kvm_fpu and kvm_xsave go through the format in which the kernel gives
 * and takes such state: what XSAVE leaves out because it is initial would be
 * stale in the state's own memory.
 */
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>

#include "platform/xsave.h"
#include "vmx/vmx.h"

#define FCW_RESET   0x37f
#define MXCSR_RESET 0x1f80

/*
 * What KVM_CAP_XSAVE2 says: no state is offered that would need more, since
 * what the kernel gives only on request (AMX) is not.
 */
#define IMAGE_SIZE sizeof(struct kvm_xsave)

/* Parts that the guest cannot have are not taken, and not given. */
static u64 image_features(const struct vcpu_vmx *vmx)
{
	return (vmx->fpu.xfeatures & xsave_supported_xcr0()) | XFEATURE_MASK_FPSSE;
}

/* All of the guest's state, in the vCPU's buffer for it. */
static struct xregs_state *image_get(struct vcpu_vmx *vmx)
{
	memset(vmx->fpu_image, 0, IMAGE_SIZE);
	fpu_copy_guest_fpstate_to_uabi(&vmx->fpu, vmx->fpu_image, IMAGE_SIZE, image_features(vmx),
				       0);
	return vmx->fpu_image;
}

static int image_set(struct vcpu_vmx *vmx, const void *image)
{
	u32 pkru; /* not offered */

	return fpu_copy_uabi_to_guest_fpstate(&vmx->fpu, image, image_features(vmx), &pkru);
}

void vcpu_get_xsave(struct vcpu *vcpu, struct kvm_xsave *xsave)
{
	memcpy(xsave->region, image_get(vcpu->vmx), IMAGE_SIZE);
}

int vcpu_set_xsave(struct vcpu *vcpu, const struct kvm_xsave *xsave)
{
	return image_set(vcpu->vmx, xsave->region);
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
	return image_set(vmx, image);
}

int guest_fpu_create(struct vcpu *vcpu)
{
	const struct kvm_fpu reset = { .fcw = FCW_RESET, .mxcsr = MXCSR_RESET };
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (!fpu_alloc_guest_fpstate(&vmx->fpu))
		return -ENOMEM;
	if (vmx->fpu.uabi_size > IMAGE_SIZE)
		return -EOPNOTSUPP;
	vmx->fpu_image = kvzalloc(IMAGE_SIZE, GFP_KERNEL_ACCOUNT);
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
