// The height that a box has in its layout, for charts that fill it.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';

/** 0 until the first layout. The box must not get its height from its content. */
export function useHeight(): readonly [RefObject<HTMLDivElement | null>, number] {
  const box = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(0);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const watch = new ResizeObserver(() => setHeight(Math.floor(element.clientHeight)));
    watch.observe(element);
    return () => watch.disconnect();
  }, [box.current]);
  return [box, height];
}
