/** A box of voxels drawn by vtk.js, in a WebGL context of its own. Loaded when a solid is opened, not before. */
import "@kitware/vtk.js/Rendering/OpenGL/Profiles/Volume.js";

import vtkDataArray from "@kitware/vtk.js/Common/Core/DataArray.js";
import vtkImageData from "@kitware/vtk.js/Common/DataModel/ImageData.js";
import vtkPiecewiseFunction from "@kitware/vtk.js/Common/DataModel/PiecewiseFunction.js";
import vtkColorTransferFunction from "@kitware/vtk.js/Rendering/Core/ColorTransferFunction.js";
import vtkRenderWindow from "@kitware/vtk.js/Rendering/Core/RenderWindow.js";
import vtkRenderWindowInteractor from "@kitware/vtk.js/Rendering/Core/RenderWindowInteractor.js";
import vtkRenderer from "@kitware/vtk.js/Rendering/Core/Renderer.js";
import vtkVolume from "@kitware/vtk.js/Rendering/Core/Volume.js";
import vtkVolumeMapper from "@kitware/vtk.js/Rendering/Core/VolumeMapper.js";
import vtkOpenGLRenderWindow from "@kitware/vtk.js/Rendering/OpenGL/RenderWindow.js";

import { plus } from "../vectors.js";
import { nodesOf } from "./looks.js";

/** Steps on a ray against the finest voxel: at rest, and while the hand moves. */
const STEP = { sharp: 0.5, quick: 1.5 };

/**
 * @param {HTMLElement} container
 * @param {{box: object, values: Float32Array}} solid
 * @throws where the browser gives no WebGL
 */
export function createScene(container, { box, values }) {
  const image = vtkImageData.newInstance();
  image.setDimensions(box.size);
  image.setSpacing(box.spacing);
  image.setOrigin(box.origin);
  image.setDirection(box.ways.flat());
  image
    .getPointData()
    .setScalars(vtkDataArray.newInstance({ name: "values", numberOfComponents: 1, values }));

  const mapper = vtkVolumeMapper.newInstance();
  mapper.setInputData(image);
  mapper.setAutoAdjustSampleDistances(false);
  const finest = Math.min(...box.spacing);
  const diagonal = Math.hypot(...box.size.map((count, axis) => count * box.spacing[axis]));
  mapper.setMaximumSamplesPerRay(Math.ceil(diagonal / (STEP.sharp * finest)) + 1);

  const volume = vtkVolume.newInstance();
  volume.setMapper(mapper);
  const property = volume.getProperty();
  property.setInterpolationTypeToLinear();
  property.setScalarOpacityUnitDistance(0, 1);
  property.setAmbient(0.25);
  property.setDiffuse(0.8);
  property.setSpecular(0.15);
  property.setSpecularPower(12);

  const renderer = vtkRenderer.newInstance({ background: [0, 0, 0] });
  renderer.addVolume(volume);
  const camera = renderer.getActiveCamera();
  camera.setParallelProjection(true);
  const renderWindow = vtkRenderWindow.newInstance();
  renderWindow.addRenderer(renderer);
  const output = vtkOpenGLRenderWindow.newInstance();
  renderWindow.addView(output);
  output.setContainer(container);
  // It takes no events: the mapper asks it whether something is moving.
  vtkRenderWindowInteractor.newInstance().setView(output);
  const canvas = output.getCanvas();
  let opacities;

  return {
    canvas,

    /** @param {{look: object, range: object, shift: number, isInverted: boolean}} how */
    setLook({ look, range, shift, isInverted }) {
      const isGreatest = look.kind === "greatest";
      if (isGreatest) mapper.setBlendModeToMaximumIntensity();
      else mapper.setBlendModeToComposite();
      property.setShade(!isGreatest);
      // Where no ray meets anything it is as dark, or as light, as air.
      const air = isGreatest && isInverted ? 1 : 0;
      renderer.setBackground(air, air, air);
      const nodes = nodesOf(look, range, shift, isInverted);
      const colours = vtkColorTransferFunction.newInstance();
      for (const node of nodes.colours) colours.addRGBPoint(...node);
      opacities = vtkPiecewiseFunction.newInstance();
      for (const node of nodes.opacities) opacities.addPoint(...node);
      property.setRGBTransferFunction(0, colours);
      property.setScalarOpacity(0, opacities);
    },

    /**
     * @param {{toward: number[], up: number[]}} view
     * @param {number[]} middle the place at the middle of the picture
     * @param {number} height of the picture in mm
     */
    setView({ toward, up }, middle, height) {
      camera.setFocalPoint(...middle);
      camera.setPosition(...plus(middle, toward, 2 * diagonal));
      camera.setViewUp(...up);
      camera.setParallelScale(height / 2);
      renderer.resetCameraClippingRange();
    },

    /** Draws so many pixels; how long that took, in ms. */
    render(width, height, isQuick) {
      // Opacities are kept for the step that they were made for.
      if (mapper.setSampleDistance(finest * (isQuick ? STEP.quick : STEP.sharp)))
        opacities?.modified();
      output.setSize(width, height);
      const began = performance.now();
      renderWindow.render();
      // Waits for the picture: without it nothing is known of how long it takes.
      output.getPixelData(0, 0, 0, 0);
      return performance.now() - began;
    },

    /** What is on the screen, from below, four bytes a pixel. */
    pixels() {
      renderWindow.render();
      const [width, height] = output.getSize();
      return { width, height, data: output.getPixelData(0, 0, width - 1, height - 1) };
    },

    close() {
      output.setContainer(undefined);
      for (const part of [renderWindow, renderer, volume, mapper, image]) part.delete();
      // The context goes at once, not when memory is tidied up: a page may have some sixteen.
      canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
      output.delete();
    },
  };
}
