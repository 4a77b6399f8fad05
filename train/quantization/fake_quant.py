"""Fake quantization: float layers that compute as int8 does (Jacob et al. 2018, section 3)."""

from __future__ import annotations

import keras
import numpy as np
from keras import KerasTensor, ops

Range = tuple[float, float]

# keras.quantizers divides by the width of a range; a channel without weights has none.
NARROWEST = 1e-12
# A file's bias counts in steps of its channel's weights, and has 32 bits for them: where weights
# are next to nothing it would be clipped. A step of a millionth of the bias changes nothing else.
BIAS_PART = 1e-4


class FakeQuant(keras.Layer):
    """Rounds an activation to the 256 steps of one range.

    Gradients pass as if nothing had been rounded; of what lies outside, they move the end that
    clipped it, so that the range can be learnt. TensorFlow's converter takes over the range.

    Args:
        of: name of the tensor.
        start: (low, high) to begin with, low <= 0 <= high, not both 0.
        learn: whether training moves the range. What moves are factors that begin at 1, so that
            one learning rate suits wide and narrow ranges; an end at 0 stays there.
    """

    def __init__(self, of: str, start: Range, learn: bool = False) -> None:
        super().__init__(name=f"{of}_range", trainable=learn)
        self.of, self.start = of, start

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.factors = self.add_weight(
            shape=(2,), name="factors", initializer="ones", constraint=keras.constraints.NonNeg()
        )

    def ends(self) -> tuple[KerasTensor, KerasTensor]:
        """(low, high) as tensors."""
        return self.factors[0] * self.start[0], self.factors[1] * self.start[1]

    def call(self, x: KerasTensor) -> KerasTensor:
        return keras.quantizers.fake_quant_with_min_max_vars(x, *self.ends())

    def range(self) -> Range:
        low, high = self.ends()
        return float(low), float(high)


class UnitLength(keras.Layer):
    """Each cell's vector divided by its length: RMSNormalization as TensorFlow Lite computes it.

    Its L2_NORMALIZATION is the only way in whole numbers, always in steps of 1/128; the converter
    knows it by this very formula.

    Args:
        norm: over channels, with a scale of 1/√channels, which makes it the vector of length 1.

    Raises: ValueError for another scale.
    """

    def __init__(self, norm: keras.layers.RMSNormalization) -> None:
        super().__init__(name=f"{norm.name}_unit")
        scale = np.asarray(norm.scale)
        if not np.allclose(scale * np.sqrt(scale.size), 1, rtol=1e-4):
            raise ValueError(
                f"{norm.name}: in int8 a scale of 1/√channels, {scale.size**-0.5:.4g}, expected, "
                f"got {scale.min():.4g} to {scale.max():.4g}; let a layer behind it scale"
            )
        self.epsilon = norm.epsilon * scale.size

    def call(self, x: KerasTensor) -> KerasTensor:
        total = ops.sum(ops.square(x), axis=-1, keepdims=True)
        return x * ops.rsqrt(total + self.epsilon)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


class FoldedConvolution(keras.Layer):
    """A convolution with the batch norm behind it folded into its weights, as the converter does.

    It uses the variables of the original layers, so that training it trains them. The statistics
    stay as they are: the weights that are rounded must not depend on the batch.

    Args:
        convolution: a Conv2D or DepthwiseConv2D.
        batch_norm: the layer behind it; None where there is none.
        rounds: whether weights are rounded to 255 steps, symmetric about 0, with a scale for each
            output channel.
        bias_delta: (channels,) that the bias is moved by, see convert/quantize/bias_correction.py;
            None: 0.
        weight_delta: of the kernel's shape, what it is moved by before it is rounded, see
            convert/quantize/gptq.py; None: 0, each weight goes to the nearest step.
    """

    def __init__(
        self,
        convolution: keras.Layer,
        batch_norm: keras.layers.BatchNormalization | None,
        rounds: bool,
        bias_delta: np.ndarray | None = None,
        weight_delta: np.ndarray | None = None,
    ) -> None:
        super().__init__(name=f"{convolution.name}_folded")
        self.convolution, self.batch_norm = convolution, batch_norm
        self.rounds, self.bias_delta = rounds, 0.0 if bias_delta is None else bias_delta
        self.weight_delta = 0.0 if weight_delta is None else weight_delta
        self.depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
        self.channel_axis = 2 if self.depthwise else 3
        self.built = True  # with the layers it uses

    def folded(self) -> tuple[KerasTensor, KerasTensor]:
        """(kernel, bias) before rounding: those of convolution and batch norm in one."""
        kernel, bias = self.convolution.kernel, 0.0
        if self.convolution.use_bias:
            bias = self.convolution.bias
        if self.batch_norm is not None:
            norm = self.batch_norm
            factor = ops.rsqrt(norm.moving_variance + norm.epsilon)
            factor = factor * norm.gamma if norm.scale else factor
            bias = (bias - norm.moving_mean) * factor
            bias = bias + norm.beta if norm.center else bias
            kernel = kernel * (factor[:, None] if self.depthwise else factor)
        return kernel, bias + self.bias_delta

    def rounded(self, kernel: KerasTensor, bias: KerasTensor | float = 0.0) -> KerasTensor:
        """The kernel on the steps of int8; gradients pass as if it had not been rounded."""
        limit = ops.stop_gradient(self.limits(kernel, bias))
        kernel = kernel + self.weight_delta
        # Channels last: Keras rounds other axes on TensorFlow only.
        kernel = ops.swapaxes(kernel, 2, 3) if self.depthwise else kernel
        kernel = keras.quantizers.fake_quant_with_min_max_vars(
            kernel, -limit, limit, narrow_range=True, axis=3
        )
        return ops.swapaxes(kernel, 2, 3) if self.depthwise else kernel

    def limits(self, kernel: KerasTensor, bias: KerasTensor | float = 0.0) -> KerasTensor:
        """(channels,): the largest weight that int8 has for each channel; the smallest is -it."""
        axes = [axis for axis in range(4) if axis != self.channel_axis]
        limit = ops.max(ops.abs(kernel), axis=axes)
        return ops.maximum(limit, NARROWEST + BIAS_PART * ops.abs(bias))

    def call(self, x: KerasTensor) -> KerasTensor:
        return self.convolution.activation(self.convolve(x))

    def convolve(self, x: KerasTensor) -> KerasTensor:
        """The output before an activation of the convolution's own."""
        kernel, bias = self.folded()
        if self.rounds:
            kernel = self.rounded(kernel, bias)
        convolve = ops.depthwise_conv if self.depthwise else ops.conv
        y = convolve(
            x,
            kernel,
            strides=self.convolution.strides,
            padding=self.convolution.padding,
            dilation_rate=self.convolution.dilation_rate,
        )
        return y + bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shape: tuple[int | None, ...] = self.convolution.compute_output_shape(input_shape)
        return shape
